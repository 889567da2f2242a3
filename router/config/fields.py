"""The keys of one mapping: which may stand there, which must, and which were probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from router.config.findings import Findings, suggest
from router.config.nodes import Items, Mapping, Node, Scalar
from router.config.values import kind_of, short
from router.errors import Source

_OTHER_WORDS = MappingProxyType(
    {
        "backend": "upstream",
        "backends": "upstreams",
        "balance": "policy",
        "connect_timeout": "connect",
        "hash": "key",
        "location": "path",
        "paths": "path",
        "pattern": "path",
        "proxy_pass": "upstream",
        "regex": "path",
        "server": "address",
        "servers": "endpoints",
        "strategy": "policy",
        "target": "upstream",
        "to": "upstream",
        "url": "address",
        "verb": "methods",
    }
)
"""What other proxies call it."""


class Fields:
    """The keys of a mapping; unknown ones have been reported when it is made.

    `meant` are the known keys that stand there misspelt: they are not reported as missing, too.
    """

    __slots__ = ("_entries", "_findings", "_where", "keys", "meant", "source")

    def __init__(self, node: Mapping, known: Iterable[str], findings: Findings, where: str) -> None:
        known = tuple(known)
        self._entries = {entry.key.text: entry.value for entry in node.entries}
        self.keys = {entry.key.text: entry.key for entry in node.entries}
        self._findings = findings
        self._where = where
        self.source = node.source
        self.meant = {
            _unknown(key, known, findings, where) for key in self.keys.values() if key.text not in known
        }

    def get(self, key: str) -> Node | None:
        """The key's value; None where the key is not written, or has been reported as empty."""
        value = self._entries.get(key)
        if isinstance(value, Scalar) and value.is_null:
            self._findings.add(
                "S010",
                f"`{key}:` has no value",
                self.keys[key].source,
                fix="give it a value, or remove the line for the default",
            )
            return None
        return value

    def need(self, key: str, fix: str) -> Node | None:
        """The same, and a finding where the key is not written."""
        if key not in self._entries and key not in self.meant:
            self._findings.add("S010", f"{self._where} has no `{key}:`", self.source, fix=fix)
        return self.get(key)

    def place(self, key: str) -> Source:
        """Where the key's value stands, or the mapping where it is not written."""
        value = self._entries.get(key)
        return value.source if value is not None else self.source


def mapping(
    node: Node | None, known: Iterable[str], findings: Findings, where: str, *, fix: str = ""
) -> Fields | None:
    """The node's fields, where it is a mapping; anything else is reported."""
    if node is None:
        return None
    if isinstance(node, Mapping):
        return Fields(node, known, findings, where)
    known = tuple(known)
    findings.add(
        "S009",
        f"{where} is a mapping of keys to values, not {kind_of(node)}",
        node.source,
        fix=fix or f"write one of {', '.join(known)} below it",
    )
    return None


def one_or_more(node: Node | None) -> tuple[Node, ...]:
    """The nodes of a list, or the one node that stands in its place."""
    if node is None:
        return ()
    return node.items if isinstance(node, Items) else (node,)


def _unknown(key: Scalar, known: tuple[str, ...], findings: Findings, where: str) -> str | None:
    """Reports the key; gives the one that was probably meant."""
    near = suggest(key.text, known)
    other = _OTHER_WORDS.get(key.text.lower())
    meant = other if other in known else near
    findings.add(
        "S008",
        f"`{short(key.text)}` is not a key of {where}",
        key.source,
        label=f"did you mean `{meant}`?" if meant else "",
        fix=f"write `{meant}`" if meant else f"known keys: {', '.join(known)}",
    )
    return meant
