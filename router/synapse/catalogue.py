"""The endpoints that Synapse's own code registers, and which kinds of process can serve each: data, asked of Synapse."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "catalogue.tsv"

COLUMNS = ("method", "pattern", "servlet", "target", "stream", "served_by", "answers")

KINDS = frozenset({"main", "worker", "media", "writer"})
"""What `served_by` may hold; a process can be several of them at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CataloguedEndpoint:
    """One method of one path pattern that Synapse registers.

    `pattern` is Synapse's own, held against the raw path; `target` is a request for it. `stream` names
    the stream whose writer alone can serve it, empty where none is needed. `served_by` is what a
    process must be, one of them, to serve it: `main`, `worker` (any other with a client or federation
    listener), `media` (the media repository) or `writer` (of `stream`). `answers` are those of each
    process that was asked, as the file has them.
    """

    method: str
    pattern: str
    servlet: str
    target: str
    stream: str
    served_by: frozenset[str]
    answers: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All of them, as one version of Synapse has them."""

    synapse: str
    endpoints: tuple[CataloguedEndpoint, ...]

    def stream_of(self, method: str, path: bytes) -> str:
        """The stream whose writer alone can serve the request; empty where there is no such stream."""
        text = path.decode("latin-1")
        for endpoint in self.endpoints:
            if endpoint.stream and endpoint.method == method and re.match(endpoint.pattern, text):
                return endpoint.stream
        return ""


@cache
def shipped() -> Catalogue:
    """The catalogue that comes with this package."""
    return parse(FILE.read_text(encoding="utf-8"))


def parse(text: str) -> Catalogue:
    """Reads `# Synapse VERSION` and lines of `COLUMNS` between tabs; raises ValueError with the line's number."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("# Synapse "):
        raise ValueError("line 1: `# Synapse VERSION` is expected")
    return Catalogue(synapse=lines[0].removeprefix("# Synapse ").strip(), endpoints=tuple(_endpoints(lines)))


def _endpoints(lines: list[str]) -> Iterator[CataloguedEndpoint]:
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) != len(COLUMNS):
            raise ValueError(f"line {number}: {len(COLUMNS)} columns are expected, not {len(cells)}")
        method, pattern, servlet, target, stream, served_by, answers = cells
        kinds = frozenset(served_by.split(",")) - {""}
        if kinds - KINDS:
            raise ValueError(f"line {number}: served_by is some of {', '.join(sorted(KINDS))}")
        yield CataloguedEndpoint(
            method=method,
            pattern=pattern,
            servlet=servlet,
            target=target,
            stream=stream,
            served_by=kinds,
            answers=dict(answer.split("=", 1) for answer in answers.split()),
        )
