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
    reference: Told, split: Told, mas: Told, *, by_settings: frozenset[Servlet]
) -> tuple[CataloguedEndpoint, ...]:
    """All endpoints that `split` registers, and those that only `mas` does, sorted by pattern and method.

    `by_settings` are those that `split` would register without its experiments. Alternatives of one
    pattern that are answered differently get lines of their own.
    """
    known, everything = reference.servlets, split.servlets
    configured = {(servlet.method, servlet.pattern) for servlet in by_settings}
    found: list[CataloguedEndpoint] = []
    for endpoint in everything:
        only_with = "" if endpoint in known else "settings" if endpoint in configured else "experiments"
        found += _lines(endpoint, (split, reference), only_with)
    for endpoint in mas.servlets.keys() - everything.keys():
        found += _lines(endpoint, (mas,), "mas")
    return tuple(sorted(found, key=lambda line: (line.pattern, line.method, line.target)))


def _lines(endpoint: Endpoint, told: tuple[Told, ...], only_with: str) -> Iterator[CataloguedEndpoint]:
    """The first of `told` says who serves it, the last one what the servlet is called."""
    told = tuple(one for one in told if endpoint in one.servlets)
    servlet = told[0].servlets[endpoint]
    for targets in _alike(endpoint, told):
        stream, kinds = _served(told[0], servlet, targets)
        yield CataloguedEndpoint(
            method=servlet.method,
            pattern=servlet.pattern,
            servlet=told[-1].servlets[endpoint].name,
            target=foremost(targets),
            stream=stream,
            served_by=kinds,
            only_with=only_with,
            answers=dict(_columns(endpoint, targets, told)),
        )


def _alike(endpoint: Endpoint, told: tuple[Told, ...]) -> list[list[str]]:
    """The targets of the endpoint, together where every process answered alike."""
    together: dict[tuple[str, ...], list[str]] = {}
    asked = [answers[one.servlets[endpoint]] for one in told for answers in one.answers.values()]
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
    for one in sorted(told, key=lambda one: one.profile.name):
        answers = _answers(one, one.servlets[endpoint], targets)
        for process, text in answers.items():
            if process in KINDS_BY_PROCESS or text != answers[OTHERS]:
                yield f"{one.profile.name}:{process}", text


def _served(told: Told, servlet: Servlet, targets: list[str]) -> tuple[str, frozenset[str]]:
    """The stream that the endpoint writes, and the kinds of process that serve it.

    Where none does, since the feature wants more than Synapse's code, what they register decides.
    """
    answers = _answers(told, servlet, targets)
    serving = {process for process, text in answers.items() if serves(text)}
    if not serving:
        serving = {process for process, servlets in told.registered.items() if servlet in servlets}
    kinds = frozenset(kind for process, kind in KINDS_BY_PROCESS.items() if process in serving)
    streams = [stream for stream, writer in told.profile.writers.items() if writer in serving]
    if not kinds and len(streams) == 1:
        return streams[0], frozenset({"writer"})
    return "", kinds
