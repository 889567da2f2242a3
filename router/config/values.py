"""What a word in the file means: numbers, sizes, times, yes and no, addresses.

A word means the same with quotes and without; nothing is typed before somebody asks for a type.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping as MappingType
from typing import TypeVar

from router.config.findings import Findings, suggest
from router.config.nodes import Items, Node, Scalar
from router.table import Address, DnsAddress, is_host_name, parse_address, parse_endpoint_address

_NUMBER = re.compile(r"[0-9]+(?:_[0-9]+)*")
_SIZE = re.compile(r"([0-9]+(?:_[0-9]+)*) ?([A-Za-z]*)")
_TIME_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_TIME = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+")

_UNITS = {
    "": 1,
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KIB": 1024,
    "MIB": 1024**2,
    "GIB": 1024**3,
}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

MOST = 2**53
"""Larger numbers of bytes or anything else are a slip of the hand; below, a float is exact."""

LONGEST = 366 * 86400.0
"""A year in seconds: a longer time is a slip of the hand, and clocks overflow somewhere."""


_Parsed = TypeVar("_Parsed", bound=Address | DnsAddress)

_OFF_BY_A_UNIT = "a limit that is off by its unit is off by a factor of a thousand"


def kind_of(node: Node) -> str:
    """What the node is, in the words of a finding."""
    if isinstance(node, Scalar):
        return "nothing" if node.is_null else f"`{short(node.text)}`"
    return "a list" if isinstance(node, Items) else "a mapping"


def short(text: str) -> str:
    """The text on one line, cut where it would fill a screen."""
    shown = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text
    return shown if len(shown) <= 60 else shown[:57] + "…"


def word(node: Node, findings: Findings, what: str) -> Scalar | None:
    """A single word that is not empty; `what` names it in a finding."""
    if isinstance(node, Scalar) and not node.is_null and node.text:
        return node
    code = "S010" if isinstance(node, Scalar) else "S009"
    findings.add(code, f"{what} is a single word, not {kind_of(node)}", node.source)
    return None


def choice(node: Node, findings: Findings, what: str, known: MappingType[str, str]) -> str | None:
    """One of the known words (each with its meaning, for the hint)."""
    scalar = word(node, findings, what)
    if scalar is None:
        return None
    if scalar.text in known:
        return scalar.text
    near = suggest(scalar.text, known)
    findings.add(
        "S012",
        f"{what} is one of {', '.join(known)}, not `{short(scalar.text)}`",
        scalar.source,
        fix=f"did you mean `{near}`?" if near else f"write one of {', '.join(known)}",
    )
    return None


def whole(
    node: Node, findings: Findings, what: str, *, least: int, most: int = MOST, fix: str = ""
) -> int | None:
    """A whole number in decimal: `010` is ten and `1_000` a thousand."""
    scalar = word(node, findings, what)
    if scalar is None:
        return None
    number = int(scalar.text) if _NUMBER.fullmatch(scalar.text) and len(scalar.text) < 20 else None
    if number is not None and least <= number <= most:
        return number
    bounds = f"from {least} to {most}" if most < MOST else f"of at least {least}"
    message = f"{what} is a whole number {bounds}, not `{short(scalar.text)}`"
    findings.add("S011", message, scalar.source, fix=fix)
    return None


def size(node: Node, findings: Findings, what: str) -> int | None:
    """A number of bytes, above 0: `50MiB`, `8KiB`, `10MB` (decimal), `16000`."""
    scalar = word(node, findings, what)
    if scalar is None:
        return None
    match = _SIZE.fullmatch(scalar.text)
    factor = _UNITS.get(match[2].upper()) if match else None
    if match and factor and len(match[1]) < 20 and 0 < int(match[1]) * factor <= MOST:
        return int(match[1]) * factor
    fix = "write a number of bytes, or one with KiB, MiB or GiB"
    unit = match[2].upper() if match else ""
    if match and unit in ("K", "M", "G"):
        fix = f"write `{match[1]}{unit}iB` (by 1024) or `{match[1]}{unit}B` (by 1000)"
    elif match and not int(match[1][:20].replace("_", "")):
        fix = "there is no word for no limit: write the largest size that you want to take"
    findings.add(
        "S011",
        f"{what} is a size above 0, not `{short(scalar.text)}`",
        scalar.source,
        why=_OFF_BY_A_UNIT,
        fix=fix,
    )
    return None


def seconds(
    node: Node, findings: Findings, what: str, *, zero: bool = False, most: float = LONGEST
) -> float | None:
    """A time in seconds: `60s`, `10m`, `500ms`, `1h30m`; above 0 unless `zero` may be meant."""
    scalar = word(node, findings, what)
    if scalar is None:
        return None
    text = scalar.text
    if _TIME.fullmatch(text) and len(text) < 40:
        total = sum(float(number) * _SECONDS[unit] for number, unit in _TIME_PART.findall(text))
        if (total > 0 or (zero and total == 0)) and total <= most:
            return total
    fix = "write a number with its unit, as 500ms, 60s, 10m or 1h"
    if _NUMBER.fullmatch(text):
        fix = f"write `{text}s` for seconds or `{text}ms` for milliseconds"
    findings.add(
        "S011",
        f"{what} is a time{'' if zero else ' above 0'}, not `{short(text)}`",
        scalar.source,
        why=_OFF_BY_A_UNIT,
        fix=fix,
    )
    return None


def yes_or_no(node: Node, findings: Findings, what: str) -> bool | None:
    """`true` or `false`, or what people write for them: yes, no, on, off."""
    scalar = word(node, findings, what)
    if scalar is None:
        return None
    value = _WORDS.get(scalar.text.lower())
    if value is None:
        findings.add(
            "S011",
            f"{what} is true or false, not `{short(scalar.text)}`",
            scalar.source,
            fix="write `true` or `false`",
        )
    return value


def address(node: Node, findings: Findings, what: str) -> Address | None:
    """`host:port`, `[v6]:port` or `unix:/path`."""
    return _address(node, findings, what, parse_address)


def endpoint_address(node: Node, findings: Findings, what: str) -> Address | DnsAddress | None:
    """The same, or `dns:NAME:PORT`, or `dns:_service._proto.NAME`."""
    return _address(node, findings, what, parse_endpoint_address)


def _address(node: Node, findings: Findings, what: str, parse: Callable[[str], _Parsed]) -> _Parsed | None:
    scalar = word(node, findings, what)
    if scalar is None:
        return None
    try:
        if not scalar.text.isprintable() or " " in scalar.text:
            raise ValueError(f"{short(scalar.text)!r} holds a character that no address has")
        return parse(scalar.text)
    except ValueError as error:
        findings.add("S013", str(error), scalar.source, fix=_address_hint(scalar.text, what))
    return None


def _address_hint(text: str, what: str) -> str:
    if text.startswith("dns:"):
        name, _, port = text.removeprefix("dns:").partition(":")
        if what != "an endpoint":
            return "write the address itself"
        if name.startswith("_"):
            return "write `dns:_http._tcp.synapse.example` for SRV records, or `dns:synapse.example:8008`"
        if "." in name and name.rpartition(".")[2].isdigit():
            return f"write `{name}:{port or 8008}`"
        if not name.isdigit() and is_host_name(name):
            return f"write `dns:{name}:8008`, with the worker's port"
        return "write `dns:synapse.example:8008`, or `dns:_http._tcp.synapse.example` for SRV records"
    if text.isascii() and text.isdigit():
        return f"write `127.0.0.1:{text}`" if len(text) <= 5 else "write host:port"
    if "://" in text:
        bare = text.partition("://")[2].partition("/")[0]
        return f"write `{bare}`: an address has no scheme and no path" if bare else "write host:port"
    if text.startswith("/"):
        return f"write `unix:{text}`"
    if text.startswith(":") and text[1:].isdigit():
        return f"write `127.0.0.1{text}`, or `0.0.0.0{text}` for every interface"
    if ":" not in text:
        return "add the port, as 127.0.0.1:8008"
    return "write host:port, [v6]:port or unix:/path"
