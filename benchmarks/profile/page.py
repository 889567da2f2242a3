"""The generated sections of docs/performance.md: from a record to Markdown, between markers of the page.

A section stands between `<!-- NAME: by make profile -->` and `<!-- /NAME -->`; all else of the page is
written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.instructions.script import ALL
from benchmarks.micro import deciding
from benchmarks.micro.parts import WHOLE, cases, with_rest
from benchmarks.profile.record import Profile
from benchmarks.report import table

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"

LEAST = 0.005
"""System calls that fewer than one request in 200 makes are none of a request."""


class PageError(Exception):
    """The page has other markers than there are sections."""


def sections(profile: Profile) -> dict[str, str]:
    """Markdown by name."""
    return {
        "machine": "\n".join(f"- {name}: {value}" for name, value in profile.machine.items()),
        "kinds": _kinds(profile),
        "parts": _parts(profile),
        "load": _load(profile),
        "system calls": _system_calls(profile),
        "shares": _shares(profile),
        "c functions": _c_functions(profile),
        "python functions": _python_functions(profile),
        "deciding": _deciding(profile),
        "single calls": _single_calls(profile),
    }


def renewed(page: str, found: Mapping[str, str]) -> str:
    """The page with those sections; raises PageError where it has not the markers of each, or has others."""
    marker = re.compile(r"(<!-- (.+): by make profile -->\n)(.*?)(<!-- /\2 -->)", re.DOTALL)
    names = [match[2] for match in marker.finditer(page)]
    if sorted(names) != sorted(found):
        raise PageError(f"the page has sections {sorted(names)}, the record {sorted(found)}")
    return marker.sub(lambda match: f"{match[1]}\n{found[match[2]]}\n\n{match[4]}", page)


def _kinds(profile: Profile) -> str:
    kinds = profile.kinds
    if not kinds:
        return _missing(profile, "instructions")
    return table(
        ("request", "instructions", "of the mean"),
        [(name, f"{each:,}", f"{100 * each / kinds[ALL]:.0f} %") for name, each in kinds.items()],
    )


def _parts(profile: Profile) -> str:
    times = with_rest({name: each.median for name, each in profile.times.items()})
    counts = with_rest(dict(profile.instructions)) if profile.instructions else {}
    lines = [
        (
            name,
            f"{each:.2f}",
            f"{100 * each / times[WHOLE]:.0f}",
            *((f"{counts[name]:,.0f}", f"{100 * counts[name] / counts[WHOLE]:.0f}") if counts else ("", "")),
        )
        for name, each in times.items()
    ]
    return table(("part", "µs", "%", "instructions", "%"), lines)


def _load(profile: Profile) -> str:
    live = profile.live
    if live is None:
        return _missing(profile, "load")
    whole = live.user + live.system
    return table(
        ("", "µs", "%"),
        [
            ("user", f"{live.user:.1f}", f"{100 * live.user / whole:.0f}"),
            ("system", f"{live.system:.1f}", f"{100 * live.system / whole:.0f}"),
            ("both", f"{whole:.1f}", "100"),
        ],
    )


def _system_calls(profile: Profile) -> str:
    if profile.live is None or not profile.live.syscalls:
        return _missing(profile, "system calls")
    calls = profile.live.syscalls
    return table(
        ("system call", "for one request"),
        [(name, f"{each:.2f}") for name, each in calls.items() if each >= LEAST],
    )


def _shares(profile: Profile) -> str:
    live, counted = profile.live, profile.counted.parts
    sampled = live.sampled.parts if live is not None else {}
    lines = [
        (name, *(f"{each[name]:.1f}" if name in each else "" for each in (sampled, counted)))
        for name in dict.fromkeys([*sampled, *counted])
    ]
    told = table(("part of the process", "% of samples under load", "% of instructions in memory"), lines)
    return told if sampled else f"{told}\n\n{_missing(profile, 'samples')}"


def _c_functions(profile: Profile) -> str:
    live, counted = profile.live, profile.counted.functions
    pieces = []
    for title, shares in (
        ("under load, % of samples", live.sampled.functions if live is not None else {}),
        ("in memory, % of instructions", counted),
    ):
        if shares:
            pieces.append(
                table(("function", title), [(f"`{name}`", f"{each:.1f}") for name, each in shares.items()])
            )
    return "\n\n".join(pieces) or _missing(profile, "instructions")


def _python_functions(profile: Profile) -> str:
    lines = [(f"`{each.name}`", f"{each.calls:.2f}", f"{each.share:.1f}") for each in profile.functions]
    return table(("function", "calls for one request", "% of the time, its own"), lines)


def _deciding(profile: Profile) -> str:
    lines = []
    for name in deciding.TABLES:
        for path in deciding.PATHS:
            times = [
                profile.times[key].median
                if (key := deciding.name(name, path, way)) in profile.times
                else None
                for way in (deciding.LOOP, deciding.MATCH, deciding.DECIDE)
            ]
            loop, match = times[0] or 0.0, times[1] or 1.0
            shown = ("" if each is None else f"{each:.2f}" for each in times)
            lines.append((f"{name}: {path}", *shown, f"{loop / match:.1f}"))
    return table(("table and path", "loop over `re`, µs", "match, µs", "decide, µs", "loop ÷ match"), lines)


def _single_calls(profile: Profile) -> str:
    named = {case.name for case in (*cases(), *deciding.cases())} & profile.times.keys()
    lines = [
        (
            name,
            f"{each.median:.2f}",
            f"{each.spread:.2f}",
            f"{profile.instructions[name]:,}" if name in profile.instructions else "",
        )
        for name, each in profile.times.items()
        if name in named
    ]
    return table(("call", "µs", "±", "instructions"), lines)


def _missing(profile: Profile, what: str) -> str:
    return f"Not measured: {profile.missing.get(what, 'see above')}."
