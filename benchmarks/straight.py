"""Where the table sends a request: the worker's port, to ask it without the router in between."""

from __future__ import annotations

from collections.abc import Sequence

from router.proxy.admission import admit
from router.routing.decision import Forward, decide
from router.routing.snapshot import Snapshot
from router.routing.view import EveryEndpointUp
from router.settings import Config
from router.table import TcpAddress

CLIENT = "127.0.0.1"

Headers = Sequence[tuple[bytes, bytes]]


class Straight:
    """Asks `decide()`, as the router does, with every endpoint up."""

    def __init__(self, config: Config) -> None:
        self._snapshot = Snapshot.build(config.table, config.settings.guard)
        self._limits = config.settings.limits
        self._view = EveryEndpointUp()

    def port(self, method: str, target: bytes, headers: Headers) -> int:
        """The port of the first candidate; raises LookupError where the router would answer by itself."""
        _, head = admit(method=method, target=target, headers=headers, client=CLIENT, limits=self._limits)
        decision = decide(self._snapshot, head, self._view)
        if isinstance(decision, Forward) and decision.candidates:
            address = decision.candidates[0].address
            if isinstance(address, TcpAddress):
                return address.port
        raise LookupError(f"the table sends {method} {target!r} to no port")

    def port_of(self, request: bytes) -> int:
        """The same for a whole request as it is sent."""
        line, *fields = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
        method, target, _ = line.split(b" ")
        headers = [(name, value.strip()) for name, _, value in (field.partition(b":") for field in fields)]
        return self.port(method.decode("ascii"), target, headers)
