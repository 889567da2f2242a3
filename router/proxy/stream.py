"""The client's side of one exchange: an HTTP/1 connection, and whatever protocol may join it."""

from __future__ import annotations

from typing import Protocol

from router.answers import Response
from router.errors import ProxyError
from router.http1.responses import ResponseMessage
from router.proxy.tunnel import Side, TunnelOwner
from router.table import Refusal


class ClientStream(Protocol):
    """What an exchange asks of its client, which calls it back as `Exchange` says."""

    scheme: bytes
    trusted: bool
    """Whether the peer is a trusted proxy."""
    wants_payload: bool
    """Whether chunks must be taken off the answer."""

    def send_informational(self, head: bytes) -> None:
        """Passes a 1xx answer on."""

    def switch(self, head: bytes, worker: Side, rest: bytes, owner: TunnelOwner) -> None:
        """Passes a 101 on, and leaves the connection to a tunnel that begins with the worker's `rest`."""

    def send_head(self, message: ResponseMessage, head: bytes, body: bytes) -> None:
        """Begins the answer, with what has come of its body."""

    def send_body(self, data: bytes) -> None:
        """Passes a piece of the answer's body on."""

    def send_local(self, answer: Refusal | Response) -> int:
        """Answers in the worker's place; returns the body's bytes."""

    def send_error(self, error: ProxyError) -> int:
        """Answers in the worker's place; returns the body's bytes."""

    def end(self) -> None:
        """The answer is whole."""

    def abort(self) -> None:
        """The answer will never be whole: the client must see that."""

    def pause(self) -> None:
        """Stops the request's body."""

    def resume(self) -> None:
        """Lets the request's body go on."""

    def arm(self, seconds: float) -> None:
        """Sets the exchange's one deadline; `on_deadline` is called when it passes."""
