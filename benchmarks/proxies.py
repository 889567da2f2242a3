"""The contenders: each with the reference's 71 rules, one serving process and an access log to a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import caddy, handler, haproxy, nginx, router
from benchmarks.contenders.place import Place, find
from benchmarks.reference import Ports
from router.local.processes import Program

ROUTER, SHIPPED, TUNED, HAPROXY, CADDY, HANDLER = (
    *(router.NAME, nginx.SHIPPED, nginx.TUNED, haproxy.NAME, caddy.NAME, handler.NAME),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """`start` writes the configuration to the place's folder and gives the program to be run.

    `needs` is the program that has to be installed, empty for none.
    """

    name: str
    title: str
    needs: str
    start: Callable[[Place], Program]

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        return not self.needs or find(self.needs) is not None

    def make(
        self,
        folder: Path,
        ports: Ports,
        port: int,
        *,
        sockets: bool = False,
        certificate: Path | None = None,
    ) -> Program:
        """The program that listens on the port and asks the workers on theirs; see `Place` for the rest."""
        return self.start(
            Place(folder=folder, ports=ports, port=port, sockets=sockets, certificate=certificate)
        )


def routes_yaml(folder: Path, ports: Ports, port: int) -> str:
    """The reference's rules as our configuration."""
    return router.routes_yaml(Place(folder=folder, ports=ports, port=port))


CONTENDERS = (
    Contender(name=ROUTER, title="router", needs="", start=router.start),
    Contender(
        name=SHIPPED, title="nginx as the reference ships it", needs="nginx", start=nginx.start_as_shipped
    ),
    Contender(name=TUNED, title="nginx tuned", needs="nginx", start=nginx.start_tuned),
    Contender(name=HAPROXY, title="HAProxy", needs="haproxy", start=haproxy.start),
    Contender(name=CADDY, title="Caddy", needs="caddy", start=caddy.start),
    Contender(name=HANDLER, title="aiohttp handler proxy", needs="", start=handler.start),
)
