"""Facts of a request as the file names them, in a key or a condition: a word, or a mapping with a name."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import NamedTuple

import re2

from router.config.fields import Fields, mapping
from router.config.findings import Findings
from router.config.nodes import Node, Scalar
from router.config.patterns import check_text
from router.config.values import choice, short, word
from router.routing.pattern import options
from router.table import Condition, HashKey

WORDS = MappingProxyType(
    {
        "user": "the user in the token",
        "room": "the room id in the path",
        "origin": "the server that signed the request",
        "client": "the client's address",
        "host": "the host that is asked for, in lower case and without its port",
        "port": "the port of the listener",
        "method": "the method",
        "target": "path and query as received",
        "path": "the path as received",
        "normalised": "the path decoded once, with slashes merged and dot segments resolved",
        "query": "what follows the `?`",
    }
)
"""Facts that a single word names, each with its meaning."""

NAMED = ("header", "cookie", "argument")
"""Facts that there are many of: they are written with a name."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 section 5.6.2: what a header or a cookie may be called."""
_ARGUMENT = re.compile(r"[^&=#\s]+")
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[1-9][0-9]?")


class Fact(NamedTuple):
    """A kind of fact, and its name where there are many."""

    kind: str
    name: str = ""


def read_key(node: Node, findings: Findings) -> HashKey | None:
    """One key of a hash."""
    if isinstance(node, Scalar):
        if node.text in (*NAMED, "capture"):
            findings.add(
                "S010",
                f"`key: {node.text}` names no {node.text}",
                node.source,
                fix=f"write `key: {{{node.text}: NAME}}`",
            )
            return None
        kind = choice(node, findings, "`key`", WORDS)
        return HashKey(kind=kind) if kind else None
    fix = "write `user`, `room`, `origin`, or `{header: Authorization}`"
    fields = mapping(node, (*NAMED, "capture", "fact", "pattern"), findings, "`key`", fix=fix)
    fact = _fact(fields, (*NAMED, "capture"), findings, fix) if fields else None
    if fields is None or fact is None:
        return None
    written = fields.get("pattern")
    pattern = _pattern(written, findings) if written else ""
    if pattern is None or (isinstance(written, Scalar) and not _has_group(written, pattern, findings)):
        return None
    return HashKey(kind=fact.kind, name=fact.name, pattern=pattern)


def read_condition(node: Node, findings: Findings) -> Condition | None:
    """One condition of a route."""
    fix = "write `{header: X-Name, has: '^a$'}` or `{fact: host, lacks: '^a$'}`"
    fields = mapping(node, (*NAMED, "fact", "has", "lacks"), findings, "a condition", fix=fix)
    fact = _fact(fields, NAMED, findings, fix) if fields else None
    if fields is None or fact is None:
        return None
    written = [key for key in ("has", "lacks") if key in fields.keys]
    if len(written) != 1:
        findings.add(
            "R104",
            f"a condition has {'both `has` and `lacks`' if written else 'neither `has` nor `lacks`'}",
            fields.source,
            fix="write one of them, with a pattern" if not written else "make two conditions of it",
        )
        return None
    value = fields.get(written[0])
    pattern = _pattern(value, findings) if value else None
    if pattern is None:
        return None
    return Condition(kind=fact.kind, name=fact.name, pattern=pattern, negated=written == ["lacks"])


def _fact(fields: Fields, named: tuple[str, ...], findings: Findings, fix: str) -> Fact | None:
    written = [key for key in (*named, "fact") if key in fields.keys]
    if len(written) != 1:
        if not written and not fields.meant.isdisjoint((*named, "fact")):
            return None
        findings.add(
            "S010" if not written else "S012",
            "it names no fact of the request" if not written else f"it names both {' and '.join(written)}",
            fields.source,
            fix=fix,
        )
        return None
    (kind,) = written
    node = fields.get(kind)
    if node is None:
        return None
    if kind == "fact":
        chosen = choice(node, findings, "`fact`", WORDS)
        return Fact(chosen) if chosen else None
    scalar = word(node, findings, f"`{kind}`")
    if scalar is None:
        return None
    allowed = {"argument": _ARGUMENT, "capture": _GROUP}.get(kind, _TOKEN)
    if not allowed.fullmatch(scalar.text) or not scalar.text.isascii():
        findings.add("S014", f"`{short(scalar.text)}` is not the name of {_NOUNS[kind]}", scalar.source)
        return None
    return Fact(kind, scalar.text if kind == "capture" else scalar.text.lower())


_NOUNS = {
    "header": "a header field",
    "cookie": "a cookie",
    "argument": "a parameter of a query",
    "capture": "a group of a pattern",
}


def _pattern(node: Node, findings: Findings) -> str | None:
    scalar = node if isinstance(node, Scalar) and not node.is_null else word(node, findings, "a pattern")
    return check_text(scalar, findings) if scalar else None


def _has_group(scalar: Scalar, pattern: str, findings: Findings) -> bool:
    if re2.compile(pattern.encode("ascii"), options(groups=True)).groups:
        return True
    findings.add(
        "W204",
        "the pattern of a key has no group",
        scalar.source,
        fix="put the part that is to be hashed into `( )`",
    )
    return False
