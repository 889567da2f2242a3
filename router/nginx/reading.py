"""Reads an nginx.conf, its includes too, into a tree of `Directive`s.

crossplane reads words and braces; what stands in words is read here as nginx does (`ngx_conf_read_token`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import crossplane

from router.config.findings import Findings
from router.errors import Source
from router.nginx.directives import Directive

_ESCAPE = re.compile(r"\\([\"'\\trn])")
_ESCAPED = {"t": "\t", "r": "\r", "n": "\n"}

Parsed = Sequence[Mapping[str, Any]]
"""Directives as crossplane gives them: `directive`, `line`, `args`, and perhaps `block` or `includes`."""


def read(file: Path, findings: Findings) -> tuple[Directive, ...] | None:
    """The directives outside of all braces; None, and findings, for what nginx would not read either.

    Includes are looked for as nginx does: beside the file that was asked for, whatever file includes them.
    """
    told = crossplane.parse(str(file), catch_errors=True, comments=False, check_ctx=False, strict=False)
    for error in told["errors"]:
        findings.add(
            "N401",
            re.sub(r" in \S+:\d+$", "", str(error["error"])),
            Source(file=error["file"], line=error["line"] or 1),
            fix="nginx -t names the same place",
        )
    if told["errors"]:
        return None
    files = told["config"]
    return tuple(_tree(files, files[0]["file"], files[0]["parsed"]))


def _tree(files: Sequence[Mapping[str, Any]], file: str, parsed: Parsed) -> Iterable[Directive]:
    for each in parsed:
        if "includes" in each:
            for index in each["includes"]:
                yield from _tree(files, files[index]["file"], files[index]["parsed"])
            continue
        block = each.get("block")
        yield Directive(
            name=unescaped(each["directive"]),
            args=tuple(map(unescaped, each["args"])),
            source=Source(file=file, line=each["line"]),
            block=None if block is None else tuple(_tree(files, file, block)),
        )


def unescaped(word: str) -> str:
    r"""A word of the file as nginx takes it: `\\` and `\"` are one character, `\t`, `\r` and `\n` too."""
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), word)
