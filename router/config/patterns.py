"""Whether RE2 takes a pattern, and if not, which part of it and what to write instead."""

from __future__ import annotations

import re2

from router.config.findings import Findings
from router.config.nodes import Scalar
from router.config.values import short
from router.routing.pattern import options
from router.table import PathForm, Pattern

_AROUND = "RE2 has no {}, which needs backtracking: write the exception as a route of its own before this one"

_ADVICE = (
    ("invalid perl operator: (?=", _AROUND.format("look-ahead")),
    ("invalid perl operator: (?!", _AROUND.format("look-ahead")),
    ("invalid perl operator: (?<", _AROUND.format("look-behind")),
    ("invalid perl operator: (?>", "write `(?:…)`: RE2 never backtracks, so a plain group is atomic"),
    ("bad repetition operator", "write `*`, `+` or `?`: RE2 never backtracks, so nothing needs `*+` or `++`"),
    ("no argument for repetition operator", "write before it what is to be repeated, or put `\\` before it"),
    ("invalid repetition size", "RE2 repeats 1,000 times at most: write `+` or `*`"),
    ("missing ): ", "close the group with `)`, or write `\\(` for the character itself"),
    ("unexpected ): ", "open the group with `(`, or write `\\)` for the character itself"),
    ("missing ]: ", "close the class with `]`, or write `\\[` for the character itself"),
    ("invalid character class range", "write the range from low to high, or put `-` last in the class"),
    ("invalid escape sequence: \\Z", "write `$` or `\\z`: both are the very end"),
    ("trailing \\", "write `\\\\` for the character itself"),
    ("pattern too large", "write the repetitions shorter"),
)


def check_pattern(scalar: Scalar, form: PathForm, findings: Findings) -> Pattern | None:
    """The pattern, where RE2 takes it; a finding with the place inside the pattern where not."""
    text = scalar.text
    for place, character in enumerate(text):
        if ord(character) > 0x7F:
            escaped = "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))
            if form is PathForm.NORMALISED:
                escaped = escaped.replace("%", "\\x")
            findings.add(
                "R108",
                f"the pattern holds `{short(character)}`",
                scalar.part(place, 1),
                fix=f"write `{escaped}`, which is how a {form.value} path has it",
            )
            return None
    return Pattern(text=text, form=form) if _is_taken(scalar, findings) else None


def check_text(scalar: Scalar, findings: Findings) -> str | None:
    """The same for a pattern that is held against something else than a path."""
    for place, character in enumerate(scalar.text):
        if ord(character) > 0x7F:
            escaped = "".join(f"\\x{byte:02X}" for byte in character.encode("utf-8", "replace"))
            findings.add(
                "R108",
                f"the pattern holds `{short(character)}`",
                scalar.part(place, 1),
                fix=f"write `{escaped}`: patterns are held against bytes",
            )
            return None
    return scalar.text if _is_taken(scalar, findings) else None


def _is_taken(scalar: Scalar, findings: Findings) -> bool:
    try:
        re2.compile(scalar.text.encode("ascii"), options())
    except re2.error as error:
        _report(scalar, bytes(error.args[0]).decode("latin-1"), findings)
        return False
    return True


def _report(scalar: Scalar, message: str, findings: Findings) -> None:
    reason, _, fragment = message.partition(": ")
    start = scalar.text.find(fragment) if fragment else -1
    source = scalar.part(start, len(fragment)) if start >= 0 else scalar.source
    back_reference = reason == "invalid escape sequence" and fragment[1:2].isdigit()
    fix = next((advice for begin, advice in _ADVICE if message.startswith(begin)), "")
    if back_reference:
        fix = "RE2 has no back-references, which need backtracking: write the alternatives out"
    findings.add(
        "R101",
        f"RE2 does not take the pattern: {message}",
        source,
        label=reason,
        fix=fix or "see the syntax of RE2: https://github.com/google/re2/wiki/Syntax",
    )
