"""The relay takes everything to the main process."""

from __future__ import annotations

import http.client
from pathlib import Path

from benchmarks.latency.relay import RELAY
from benchmarks.reference import HOST, Ports, free_ports
from benchmarks.stage import up
from tests.absence import server_program
from tests.benchmarks.stand_ins import workers


def test_everything_goes_to_the_main_process(tmp_path: Path) -> None:
    server_program("haproxy", "haproxy")
    ports = Ports.free()
    (port,) = free_ports(1)
    with workers(ports), up(RELAY.make(tmp_path, ports, port)):
        asking = http.client.HTTPConnection(HOST, port, timeout=10)
        asking.request("GET", "/_matrix/client/v3/sync")
        answer = asking.getresponse()
        told = f"{answer.getheaders()} {answer.read()!r}"
        asking.close()
    assert str(ports.synapse) in told
