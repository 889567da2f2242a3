"""Two homeservers that believe one certificate authority; the first is seven processes behind the router.

The router speaks TLS, and Synapse's client listeners are unix sockets. `deployment` stands in for that of
all other tests and is gone with the last test of this folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from router.local.deployment import Deployment
from router.local.layout import REFERENCE, Instance, Layout, free_ports
from tests.deployment import ROUTES
from tests.federation.authority import Authority
from tests.federation.neighbour import Neighbour, reachable, speaks_to, start

PLAIN = "listen: [127.0.0.1:8080]"
"""How the shipped table listens."""


@pytest.fixture(scope="package")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="package")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """Where the first homeserver is; it is found under its name at the router."""
    placed = Layout.free(tmp_path_factory.mktemp("run"), instances=tuple(_on_socket(i) for i in REFERENCE))
    return replace(placed, tls=True, settings={"server_name": reachable(placed.router_port)})


def _on_socket(instance: Instance) -> Instance:
    if instance.client_port is None:
        return instance
    resources = ("client",) if instance.name == "receipts_writer" else ("client", "federation")
    return replace(instance, client_port=None, on_socket=True, resources=resources)


@pytest.fixture(scope="package")
def neighbours_port(layout: Layout) -> int:
    return next(port for port in free_ports() if port not in layout.ports.values())


@pytest.fixture(scope="package")
def deployment(
    layout: Layout, neighbours_port: int, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    settings = {**layout.settings, **speaks_to(reachable(neighbours_port), authority)}
    routes = _over_tls(authority, tmp_path_factory.mktemp("routes"))
    with Deployment(replace(layout, settings=settings), routes=routes, durable=False) as running:
        yield running


def _over_tls(authority: Authority, folder: Path) -> Path:
    """The shipped table, but for its listener."""
    shown = authority.certificate("router")
    text = ROUTES.read_text(encoding="utf-8")
    assert PLAIN in text
    tls = f"{{certificate: {shown.chain}, key: {shown.key}}}"
    listen = f"listen: [{{address: 127.0.0.1:8080, tls: {tls}}}]"
    file = folder / "routes.yaml"
    file.write_text(text.replace(PLAIN, listen), encoding="utf-8")
    return file


@pytest.fixture(scope="package")
def neighbour(
    deployment: Deployment,
    neighbours_port: int,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Neighbour]:
    """The other homeserver."""
    folder = tmp_path_factory.mktemp("neighbour") / "run"
    running = start(folder, neighbours_port, deployment.layout, authority)
    yield running
    running.process.stop()
