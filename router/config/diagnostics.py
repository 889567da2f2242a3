"""Findings for people: the line of the file with a caret, why it matters and what to write instead."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from router.config.codes import Severity
from router.config.findings import Finding
from router.errors import Source

WIDTH = 80
"""Columns: what a terminal, a mail and a review comment all show."""

_COLOURS = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m"}
_FRAME = "\x1b[34m"
_STRONG = "\x1b[1m"
_END = "\x1b[0m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What was looked at, for the last line."""

    file: str
    errors: int
    warnings: int
    routes: int
    patterns: int
    upstreams: int
    endpoints: int
    milliseconds: int

    def __str__(self) -> str:
        found = f"{_count(self.errors, 'error')}, {_count(self.warnings, 'warning')}"
        if not self.errors and not self.warnings:
            found = "no findings"
        table = f"{_count(self.routes, 'route')}, {_count(self.patterns, 'pattern')}"
        targets = f"{_count(self.upstreams, 'upstream')}, {_count(self.endpoints, 'endpoint')}"
        return f"{self.file}: {found} | {table} | {targets} | {self.milliseconds} ms"


class Renderer:
    """Writes findings as text; `lines` are those of each file that is quoted."""

    __slots__ = ("_colour", "_lines")

    def __init__(self, lines: Mapping[str, tuple[str, ...]], *, colour: bool = False) -> None:
        self._lines = lines
        self._colour = colour

    def full(self, finding: Finding) -> str:
        """One finding in some lines of at most 80 columns, without a last line break."""
        tint = _COLOURS[finding.severity]
        head = f"{finding.severity.value}[{finding.code}]"
        first, *rest = textwrap.wrap(f"{head}: {finding.message}", WIDTH, subsequent_indent="    ") or [head]
        shown = self._paint(head, tint) + self._paint(first.removeprefix(head), _STRONG)
        out = [shown, *rest]
        if finding.source is not None:
            place = finding.source
            out.append(f"  {self._paint('-->', _FRAME)} {place.file}:{place.line}:{place.column}")
            out += self._quote(place, finding.label, tint)
        out += self._noted(finding)
        return "\n".join(out)

    def concise(self, finding: Finding) -> str:
        """One finding in one line, as compilers write them."""
        place = finding.source
        where = f"{place.file}:{place.line}:{place.column}: " if place else ""
        head = self._paint(f"{finding.severity.value}[{finding.code}]", _COLOURS[finding.severity])
        return f"{where}{head} {finding.message}" + (f"; {finding.fix}" if finding.fix else "")

    def _noted(self, finding: Finding) -> Iterable[str]:
        for related in finding.related:
            yield from _note("see:", f"{related.source}  {related.note}")
        if finding.witness:
            yield f"witness: {finding.witness}"
        yield from _note("why:", finding.why)
        if finding.fix:
            yield from _note("fix:", finding.fix)

    def _quote(self, place: Source, label: str, tint: str) -> Iterable[str]:
        lines = self._lines.get(place.file, ())
        if not 0 < place.line <= len(lines):
            return
        number = str(place.line)
        margin = " " * len(number)
        bar = self._paint("|", _FRAME)
        text, before, marked = _window(lines[place.line - 1], place, WIDTH - len(number) - 3)
        yield f"{margin} {bar}"
        yield f"{self._paint(number, _FRAME)} {bar} {text}".rstrip()
        carets = self._paint("^" * marked, tint)
        room = WIDTH - len(number) - 3 - before - marked - 1
        if label and len(label) <= room:
            carets += " " + self._paint(label, tint)
        yield f"{margin} {bar} {' ' * before}{carets}"
        if label and len(label) > room:
            yield f"{margin} {bar} {self._paint(label, tint)}"

    def _paint(self, text: str, tint: str) -> str:
        return f"{tint}{text}{_END}" if self._colour and text else text


def _window(line: str, place: Source, room: int) -> tuple[str, int, int]:
    """The line cut to `room` columns round the marked part, the columns before that part, and its own.

    What would move the cursor or the terminal's state is shown as one column each.
    """
    shown = [_shown(character) for character in line]
    widths = [_columns(character) for character in shown]
    start = min(place.column - 1, len(shown))
    end = min(start + place.length, len(shown))
    first, last = 0, len(shown)
    if sum(widths) > room:
        marked = min(sum(widths[start:end]), room // 2)
        if sum(widths[:start]) + marked > room - 2:
            first = start
            left = (room - 2 - marked) // 2
            while first and left >= widths[first - 1]:
                first -= 1
                left -= widths[first]
        last = first
        right = room - 1 - (first > 0)
        while last < len(shown) and right >= widths[last]:
            right -= widths[last]
            last += 1
    head, tail = "…" * (first > 0), "…" * (last < len(shown))
    before = len(head) + sum(widths[first:start])
    return head + "".join(shown[first:last]) + tail, before, max(1, sum(widths[start : min(end, last)]))


def _shown(character: str) -> str:
    if character == "\t":
        return " "
    return character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"


def _columns(character: str) -> int:
    """How many columns a terminal takes for it (Unicode Standard Annex 11)."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _note(word: str, text: str) -> list[str]:
    indent = " " * 9
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=word.ljust(9),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
