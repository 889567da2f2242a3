"""What the answers of all processes say: who can serve each endpoint, and which stream's writer it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from router.local.asking.asking import Asked
from router.local.asking.profiles import MEDIA, Profile
from router.local.asking.requests import shown
from router.local.asking.servlets import Servlet
from router.local.asking.targets import foremost
from router.synapse.catalogue import OTHERS, CataloguedEndpoint, serves

KINDS_BY_PROCESS = {"main": "main", OTHERS: "worker", MEDIA: "media"}

Endpoint = tuple[str, str]
"""Method and pattern."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was asked of one profile: what each process registers, and what each answered."""

    profile: Profile
    registered: Mapping[str, frozenset[Servlet]]
    answers: Mapping[str, Mapping[Servlet, Asked]]

    @property
    def servlets(self) -> dict[Endpoint, Servlet]:
        """Those of all processes."""
        every = sorted(servlet for servlets in self.registered.values() for servlet in servlets)
        return {(servlet.method, servlet.pattern): servlet for servlet in every}


def catalogued(
    reference: Told, split: Told, *, by_settings: frozenset[Servlet]
) -> tuple[CataloguedEndpoint, ...]:
    """The endpoints that `split` registers, which is all of them, sorted by pattern and method.

    `by_settings` are those that it would register without its experiments. Alternatives of one pattern
    that are answered differently get lines of their own.
    """
    known, configured = reference.servlets, {(s.method, s.pattern) for s in by_settings}
    found = []
    for endpoint, servlet in split.servlets.items():
        only_with = "" if endpoint in known else "settings" if endpoint in configured else "experiments"
        for targets in _alike(endpoint, (reference, split)):
            stream, kinds = _served(split, servlet, targets)
            found.append(
                CataloguedEndpoint(
                    method=servlet.method,
                    pattern=servlet.pattern,
                    servlet=known.get(endpoint, servlet).name,
                    target=foremost(targets),
                    stream=stream,
                    served_by=kinds,
                    only_with=only_with,
                    answers=dict(_columns(endpoint, targets, (reference, split))),
                )
            )
    return tuple(sorted(found, key=lambda line: (line.pattern, line.method, line.target)))


def _alike(endpoint: Endpoint, told: tuple[Told, ...]) -> list[list[str]]:
    """The targets of the endpoint, together where every process answered alike."""
    together: dict[tuple[str, ...], list[str]] = {}
    asked = [
        answers[one.servlets[endpoint]]
        for one in told
        if endpoint in one.servlets
        for answers in one.answers.values()
    ]
    for target in asked[0].anonymous:
        together.setdefault(tuple(one.anonymous[target] for one in asked), []).append(target)
    return list(together.values())


def answer(asked: Asked, servlet: Servlet, targets: list[str]) -> str:
    """`401/200`: without credentials, and with where the foremost target is one of these."""
    valid = asked.valid if shown(servlet) in targets else ""
    first = asked.anonymous[targets[0]]
    return f"{first}/{valid}" if valid else first


def _answers(told: Told, servlet: Servlet, targets: list[str]) -> dict[str, str]:
    return {name: answer(asked[servlet], servlet, targets) for name, asked in told.answers.items()}


def _columns(endpoint: Endpoint, targets: list[str], told: tuple[Told, ...]) -> Iterator[tuple[str, str]]:
    for one in told:
        if endpoint in one.servlets:
            answers = _answers(one, one.servlets[endpoint], targets)
            for process, text in answers.items():
                if process in KINDS_BY_PROCESS or text != answers[OTHERS]:
                    yield f"{one.profile.name}:{process}", text


def _served(split: Told, servlet: Servlet, targets: list[str]) -> tuple[str, frozenset[str]]:
    """The stream that the endpoint writes, and the kinds of process that serve it.

    Where none does, since the feature wants more than Synapse's code, what they register decides.
    """
    answers = _answers(split, servlet, targets)
    serving = {process for process, text in answers.items() if serves(text)}
    if not serving:
        serving = {process for process, servlets in split.registered.items() if servlet in servlets}
    kinds = frozenset(kind for process, kind in KINDS_BY_PROCESS.items() if process in serving)
    streams = [stream for stream, writer in split.profile.writers.items() if writer in serving]
    if not kinds and len(streams) == 1:
        return streams[0], frozenset({"writer"})
    return "", kinds
