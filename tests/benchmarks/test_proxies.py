from __future__ import annotations

import http.client
import re
import shutil
from pathlib import Path

import pytest

from benchmarks import proxies
from benchmarks.contenders import nginx
from benchmarks.contenders.place import Place, trusting, write_certificate
from benchmarks.mix import MIX, Request
from benchmarks.proxies import Contender
from benchmarks.reference import DEFAULT, HOST, Ports, free_ports, rules
from router.config.loader import load
from router.local.processes import Process, wait_until_ready
from tests.absence import server_program
from tests.benchmarks.stand_ins import workers

PORTS = Ports(synapse=41001, generic=(41002, 41003, 41004), receipts=41005)
USERS = [f"user{number}" for number in range(24)]


def asked(connection: http.client.HTTPConnection, request: Request, user: str) -> int:
    """The port of the worker that has answered."""
    head, _, body = request.raw(user).partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    method, target, _ = line.split(" ")
    connection.request(method, target, body, dict(field.split(": ", 1) for field in fields))
    answer = connection.getresponse()
    assert answer.status == 200
    return int(answer.read())


def upstream(path: str) -> str:
    """By the rules as they stand, one after another."""
    return next((rule.upstream for rule in rules() if re.search(rule.pattern, path)), DEFAULT)


def routed(
    contender: Contender, folder: Path, *, certificate: Path | None = None, sockets: bool = False
) -> dict[str, list[int]]:
    """Which ports answered each request of the mix, one for each user; all of them are in the access log."""
    if contender.needs:
        server_program(contender.needs, contender.needs)
    ports, (port,) = Ports.free(), free_ports(1)
    process = Process(contender.make(folder, ports, port, certificate=certificate, sockets=sockets))
    connection = (
        http.client.HTTPConnection(HOST, port, timeout=10)
        if certificate is None
        else http.client.HTTPSConnection(HOST, port, timeout=10, context=trusting())
    )
    with workers(ports, folder if sockets else None):
        try:
            process.start()
            wait_until_ready([process], patience=20)
            found = {request.name: [asked(connection, request, user) for user in USERS] for request in MIX}
            found["sync again"] = [asked(connection, MIX[0], user) for user in USERS]
        finally:
            connection.close()
            process.stop(patience=5)
    for request in MIX:
        path = request.path.partition("?")[0]
        answered = ports.of(upstream(path.format(user="ada")))
        assert set(found[request.name]) <= set(answered), request.name
    logged = (folder / f"{contender.name}.access.log").read_text()
    for request in MIX:
        for user in USERS:
            assert request.path.partition("?")[0].format(user=user) in logged
    return found


@pytest.mark.parametrize("contender", proxies.CONTENDERS, ids=lambda each: each.name)
def test_each_sends_the_mix_where_the_rules_say(tmp_path: Path, contender: Contender) -> None:
    routed(contender, tmp_path)


@pytest.mark.parametrize("contender", proxies.CONTENDERS[:-1], ids=lambda each: each.name)
def test_each_does_so_over_tls_and_to_unix_sockets(tmp_path: Path, contender: Contender) -> None:
    found = routed(contender, tmp_path, certificate=write_certificate(tmp_path), sockets=True)
    assert len(set(found["sync"])) == 3, "users are spread by their tokens"
    assert found["sync"] == found["sync again"], "one user stays with one worker"
    assert len(set(found["messages"])) == 1, "one address is one client"


def test_the_router_takes_its_file(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(proxies.routes_yaml(tmp_path, PORTS, 41000))
    loaded = load(file)
    assert loaded.config is not None
    table = loaded.config.table
    assert [route.upstream for route in table.routes[:71]] == [rule.upstream for rule in rules()]
    assert table.routes[71].upstream == DEFAULT
    assert {name: len(each.endpoints) for name, each in table.upstreams.items()} == {
        "synapse": 1,
        "generic-worker": 3,
        "generic-worker-user": 3,
        "receipts": 1,
    }


def test_only_the_tuned_nginx_keeps_connections() -> None:
    place = Place(folder=Path("/x"), ports=PORTS, port=41000)
    shipped, tuned = (nginx.configuration(name, place) for name in (nginx.SHIPPED, nginx.TUNED))
    assert "proxy_http_version 1.1" not in shipped
    assert "keepalive 64" not in shipped
    assert "proxy_http_version 1.1" in tuned
    assert tuned.count("keepalive 64") == 4


def test_what_is_not_installed_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_options: None)
    assert [each.name for each in proxies.CONTENDERS if each.installed] == ["router", "aiohttp-handler"]
