"""The endpoints that Synapse's own code registers, and what kind of process serves each, as data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "catalogue.tsv"

COLUMNS = ("method", "pattern", "servlet", "target", "stream", "served_by", "only_with", "answers")

KINDS = frozenset({"main", "worker", "media", "writer"})
"""What `served_by` may hold; a process can be several of them at once."""

CONDITIONS = ("", "settings", "experiments", "mas")
"""What `only_with` may be."""

HEADER = """\
# Synapse {version}
# Asked of Synapse by `make catalogue`; do not edit. A line for each method of each pattern that it registers.
# answers: PROFILE:PROCESS=STATUS/STATUS, without credentials and, where it was asked so, with. `-` after a
# status: nothing is mounted there. A writer that is not named answered as the generic1 of its profile did.
# {columns}
"""

OTHERS = "generic1"
"""The process whose answers stand for those of writers that are not named."""


class MalformedCatalogue(ValueError):
    """The file is not what `make catalogue` writes; says which line, and what is expected there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CataloguedEndpoint:
    """One method of one path pattern that Synapse registers.

    `pattern` is Synapse's own, held against the raw path; `target` is a request for it. `stream` names
    the stream whose writer alone can serve it, empty where none is needed. `served_by` is what a
    process must be, one of them, to serve it: `main`, `worker` (any other with a client or federation
    listener), `media` (the media repository, also where that is main or a worker) or `writer` (of
    `stream`). `only_with` says without what Synapse does not register it: `settings`, `experiments`, or
    `mas`, the Matrix Authentication Service.
    `answers` are those of each process that was asked, as the file has them.
    """

    method: str
    pattern: str
    servlet: str
    target: str
    stream: str
    served_by: frozenset[str]
    only_with: str = ""
    answers: Mapping[str, str] = field(default_factory=dict, compare=False)

    def answer(self, profile: str, process: str) -> str:
        """What that process of that profile answered; empty if nobody asked."""
        return self.answers.get(f"{profile}:{process}", self.answers.get(f"{profile}:{OTHERS}", ""))

    def serves(self, profile: str, process: str) -> bool:
        """Whether that process of that profile serves it; KeyError if nobody asked."""
        answer = self.answer(profile, process)
        if not answer:
            raise KeyError(f"{profile}:{process}")
        return serves(answer)


def serves(answer: str) -> bool:
    """Whether an answer, such as `401/200`, is that of a process that serves the path.

    Not with `-` after the first status: nothing is mounted there. Not with 5xx to the valid request,
    which is the last one: the process fails at what only another can do.
    """
    first, _, last = answer.partition("/")
    return not first.endswith("-") and not (last or first).startswith("5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All of them, as one version of Synapse has them."""

    synapse: str
    endpoints: tuple[CataloguedEndpoint, ...]
    _writers: Mapping[str, tuple[tuple[re.Pattern[str], str], ...]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        patterns: dict[str, list[tuple[re.Pattern[str], str]]] = {}
        for endpoint in self.endpoints:
            if endpoint.stream:
                compiled = re.compile(endpoint.pattern)
                patterns.setdefault(endpoint.method, []).append((compiled, endpoint.stream))
        object.__setattr__(self, "_writers", {method: tuple(found) for method, found in patterns.items()})

    def stream_of(self, method: str, path: bytes) -> str:
        """The stream whose writer alone can serve the request; empty where there is no such stream.

        HEAD counts as GET; `path` is the raw one, without the query.
        """
        patterns = self._writers.get("GET" if method == "HEAD" else method, ())
        text = path.decode("latin-1") if patterns else ""
        for pattern, stream in patterns:
            if pattern.match(text):
                return stream
        return ""


@cache
def shipped() -> Catalogue:
    """The catalogue that comes with this package."""
    return parse(FILE.read_text(encoding="utf-8"))


def parse(text: str) -> Catalogue:
    """Reads what `written` writes; raises MalformedCatalogue."""
    lines = text.split("\n")
    if not lines[0].startswith("# Synapse "):
        raise MalformedCatalogue(f"line 1: `# Synapse VERSION` is expected, not {lines[0][:40]!r}")
    return Catalogue(synapse=lines[0].removeprefix("# Synapse ").strip(), endpoints=tuple(_endpoints(lines)))


def _endpoints(lines: list[str]) -> Iterator[CataloguedEndpoint]:
    for number, line in enumerate(lines, 1):
        if line and not line.startswith("#"):
            try:
                yield _endpoint(line)
            except MalformedCatalogue as error:
                raise MalformedCatalogue(f"line {number}: {error}") from None


def _endpoint(line: str) -> CataloguedEndpoint:
    cells = line.split("\t")
    if len(cells) != len(COLUMNS):
        raise MalformedCatalogue(f"{len(COLUMNS)} columns between tabs are expected, not {len(cells)}")
    method, pattern, servlet, target, stream, served_by, only_with, answers = cells
    kinds = frozenset(served_by.split(",")) - {""}
    if kinds - KINDS:
        raise MalformedCatalogue(f"served_by is some of {', '.join(sorted(KINDS))}, not {served_by!r}")
    if only_with not in CONDITIONS:
        raise MalformedCatalogue(
            f"only_with is one of {', '.join(CONDITIONS[1:])}, or nothing, not {only_with!r}"
        )
    try:
        re.compile(pattern)
    except re.error as error:
        raise MalformedCatalogue(f"{pattern!r} is no pattern: {error}") from None
    pairs = [answer.partition("=") for answer in answers.split(" ") if answer]
    if not all(process and answer for process, _, answer in pairs):
        raise MalformedCatalogue(f"answers are PROFILE:PROCESS=STATUS, not {answers!r}")
    return CataloguedEndpoint(
        method=method,
        pattern=pattern,
        servlet=servlet,
        target=target,
        stream=stream,
        served_by=kinds,
        only_with=only_with,
        answers={process: answer for process, _, answer in pairs},
    )


def written(catalogue: Catalogue) -> str:
    """The file for it, in the order of its endpoints."""
    header = HEADER.format(version=catalogue.synapse, columns="\t".join(COLUMNS))
    return header + "".join(f"{_line(endpoint)}\n" for endpoint in catalogue.endpoints)


def _line(endpoint: CataloguedEndpoint) -> str:
    answers = " ".join(f"{process}={answer}" for process, answer in endpoint.answers.items())
    cells = (endpoint.method, endpoint.pattern, endpoint.servlet, endpoint.target, endpoint.stream)
    return "\t".join((*cells, ",".join(sorted(endpoint.served_by)), endpoint.only_with, answers))
