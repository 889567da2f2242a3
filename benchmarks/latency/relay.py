"""HAProxy as a relay that reads nothing (`mode tcp`): what one more process in the way adds."""

from __future__ import annotations

from benchmarks.contenders.place import Place, find
from benchmarks.proxies import Contender
from benchmarks.reference import DEFAULT, HOST
from router.local.processes import Program

NAME = "relay"


def start(place: Place) -> Program:
    """Each client's connection becomes one to the main process; nothing is logged."""
    (worker,) = place.endpoints(DEFAULT, unix="unix@")
    file = place.file(f"{NAME}.cfg", configuration(place.port, worker))
    return place.program(NAME, find("haproxy") or "haproxy", "-db", "-f", str(file))


def configuration(port: int, worker: str) -> str:
    """One thread, times as long as those of the other contenders."""
    return f"""\
global
  maxconn 4096
  nbthread 1
listen relay
  mode tcp
  bind {HOST}:{port} backlog 1024
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  server worker {worker}
"""


RELAY = Contender(name=NAME, title="a relay that reads nothing", needs="haproxy", start=start)
