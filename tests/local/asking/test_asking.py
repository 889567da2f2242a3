"""The committed catalogue against Synapse: the data is true of the version that is installed here."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from router.local import synapse
from router.local.asking import profiles
from router.local.asking.__main__ import registered_by
from router.local.asking.answers import answer
from router.local.asking.asking import ask_processes
from router.local.asking.person import Place
from router.local.asking.requests import shown
from router.local.asking.servlets import Servlet, registered
from router.local.deployment import Deployment
from router.synapse.catalogue import shipped

AGAIN = "Synapse is not the one that was asked: run `make catalogue` and review the diff"

PROCESSES = ("main", "generic1", "receipts_writer")

Endpoints = set[tuple[str, str]]


def endpoints(servlets: frozenset[Servlet]) -> Endpoints:
    return {(servlet.method, servlet.pattern) for servlet in servlets}


def test_the_catalogue_is_of_the_installed_version() -> None:
    assert shipped().synapse == version("matrix-synapse"), AGAIN


@pytest.fixture(scope="module")
def split() -> dict[str, frozenset[Servlet]]:
    return registered_by(profiles.split())


@pytest.fixture(scope="module")
def mas() -> dict[str, frozenset[Servlet]]:
    return registered_by(profiles.mas())


def test_the_catalogue_has_every_endpoint_that_synapse_registers(
    split: dict[str, frozenset[Servlet]], mas: dict[str, frozenset[Servlet]]
) -> None:
    catalogued = {(endpoint.method, endpoint.pattern) for endpoint in shipped().endpoints}

    assert catalogued == endpoints(frozenset().union(*split.values(), *mas.values())), AGAIN


def test_whoever_registers_an_endpoint_answered_and_nobody_else(
    split: dict[str, frozenset[Servlet]], mas: dict[str, frozenset[Servlet]]
) -> None:
    """What was read from Synapse's code and what its processes said are one."""
    differing = [
        f"{profile}:{name} {endpoint.method} {endpoint.pattern}"
        for endpoint in shipped().endpoints
        for profile, registered in ((("mas", mas) if endpoint.only_with == "mas" else ("split", split)),)
        for name, servlets in registered.items()
        if endpoint.answer(profile, name).partition("/")[0].endswith("-")
        == ((endpoint.method, endpoint.pattern) in endpoints(servlets))
    ]

    assert differing == []


async def test_the_processes_still_answer_as_the_catalogue_says(deployment: Deployment) -> None:
    layout = deployment.layout
    known = frozenset().union(*registered([synapse.config_files(layout, layout[name]) for name in PROCESSES]))
    usual = {(e.method, e.pattern, e.target): e for e in shipped().endpoints if not e.only_with}
    assert {(s.method, s.pattern, shown(s)) for s in known} <= usual.keys(), AGAIN
    assert endpoints(known) == {(method, pattern) for method, pattern, _ in usual}, AGAIN
    ports = {i.name: i.client_port for i in layout.instances if i.client_port is not None}
    place = Place(ports=ports, media="main", writers={})

    asked = await ask_processes(place, PROCESSES, known, alternatives=False)

    differing = []
    for servlet in sorted(known):
        endpoint = usual[servlet.method, servlet.pattern, shown(servlet)]
        for name in PROCESSES:
            was, now = (
                endpoint.answer("reference", name),
                answer(asked[name][servlet], servlet, [endpoint.target]),
            )
            if was != now:
                differing.append(f"{name} {servlet.method} {endpoint.target}: was {was}, is {now}")
    assert differing == [], AGAIN
