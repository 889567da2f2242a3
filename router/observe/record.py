"""What metrics, access log and status read of an exchange that has ended."""

from __future__ import annotations

from typing import Protocol

from router.request import RequestHead
from router.routing.decision import Decision
from router.table import Endpoint


class Record(Protocol):
    """The finished side of `proxy.record.ExchangeRecord`, which says what each field holds."""

    @property
    def line(self) -> bytes:
        """The request line as received, without its CRLF."""

    @property
    def client(self) -> str:
        """The peer's address as text, `''` on a unix socket."""

    @property
    def head(self) -> RequestHead | None:
        """None where the line could not be read as a request."""

    @property
    def decision(self) -> Decision | None:
        """None with the head."""

    @property
    def endpoint(self) -> Endpoint | None:
        """The one of the last attempt."""

    @property
    def attempts(self) -> int:
        """How many endpoints or connections were tried."""

    @property
    def started(self) -> float:
        """Monotonic seconds."""

    @property
    def first_byte(self) -> float:
        """Monotonic seconds, 0.0 where no worker answered."""

    @property
    def ended(self) -> float:
        """Monotonic seconds."""

    @property
    def status(self) -> int:
        """What the client was sent, 0 for nothing."""

    @property
    def reason(self) -> str:
        """Empty for an answer passed on whole."""

    @property
    def bytes_in(self) -> int:
        """Body bytes of the request."""

    @property
    def bytes_out(self) -> int:
        """Body bytes of the answer."""
