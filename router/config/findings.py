"""Finding: one thing that is wrong with a file, where, why it matters and what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from router.config.codes import CODES, Severity
from router.errors import ConfigError, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Another place that the finding is about, and what it has to do with it."""

    source: Source
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding.

    `witness` is a request that shows it, as `METHOD TARGET  ->  where it goes`; `label` stands behind
    the caret.
    """

    code: str
    severity: Severity
    message: str
    source: Source | None = None
    label: str = ""
    why: str = ""
    fix: str = ""
    related: tuple[Related, ...] = ()
    witness: str = ""

    def as_error(self) -> ConfigError:
        """The error that `serve` raises for it."""
        return CODES[self.code].error(self.message, source=self.source, hint=self.fix)


_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Findings:
    """Collects findings in the order in which they are met."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[Finding] = []

    def add(
        self,
        code: str,
        message: str,
        source: Source | None,
        *,
        label: str = "",
        why: str = "",
        fix: str = "",
        related: tuple[Related, ...] = (),
        witness: str = "",
        severity: Severity | None = None,
    ) -> None:
        """Adds one; severity and `why` are the code's own unless said otherwise."""
        known = CODES[code]
        self._found.append(
            Finding(
                code=code,
                severity=severity or known.severity,
                message=_on_one_line(message),
                source=source,
                label=_on_one_line(label),
                why=why or known.why,
                fix=fix,
                related=related,
                witness=witness,
            )
        )

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    @property
    def errors(self) -> int:
        """How many of them keep the file from being served."""
        return sum(finding.severity is Severity.ERROR for finding in self._found)

    def sorted(self, file: str) -> tuple[Finding, ...]:
        """In the order of that file, then of the others."""
        return in_file_order(self._found, file)


def _on_one_line(text: str) -> str:
    """What others say of the file's own text, as RE2 does, may hold its line ends."""
    return _BREAKS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def in_file_order(findings: Iterable[Finding], file: str) -> tuple[Finding, ...]:
    """By line and column, first what is in that file; what has no place comes before all."""

    def place(finding: Finding) -> tuple[bool, str, int, int]:
        where = finding.source
        return (where.file != file, where.file, where.line, where.column) if where else (False, "", 0, 0)

    return tuple(sorted(findings, key=place))


def suggest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, if one is near enough."""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None
