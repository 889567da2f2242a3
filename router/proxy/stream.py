"""The client's side of one exchange: an HTTP/1 connection, and whatever protocol may join it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from router.answers import Response
from router.errors import ProxyError
from router.http1.responses import ResponseMessage
from router.proxy.deadlines import Deadlines, ticks_of
from router.proxy.tunnel import Side, TunnelOwner
from router.table import Refusal


class ClientStream(ABC):
    """What an exchange asks of its client, which calls it back as `Exchange` says.

    `trusted` tells whether the peer is a trusted proxy, `wants_payload` whether chunks must be taken off the
    answer. It has one deadline at a time, as a `Timed` of `deadlines`.

    A class and not a protocol: compiled, neither its fields nor its methods are looked up by name.
    """

    __slots__ = ("deadlines", "due", "filed", "scheme", "trusted", "wants_payload")

    def __init__(self, scheme: bytes, deadlines: Deadlines) -> None:
        self.scheme = scheme
        self.deadlines = deadlines
        self.trusted = False
        self.wants_payload = False
        self.due = 0
        self.filed = 0

    def wait(self, ticks: int) -> None:
        """Sets the one deadline to so many ticks from now, as `ticks_of` counts them."""
        deadlines = self.deadlines
        due = deadlines.now + ticks
        self.due = due
        if not self.filed or due < self.filed:
            deadlines.file(self)

    def arm(self, seconds: float) -> None:
        """Sets the one deadline; `on_deadline` is called when it passes."""
        self.wait(ticks_of(seconds))

    @abstractmethod
    def on_deadline(self) -> None:
        """The time is up."""

    @abstractmethod
    def send_informational(self, head: bytes) -> None:
        """Passes a 1xx answer on."""

    @abstractmethod
    def switch(self, head: bytes, worker: Side, rest: bytes, owner: TunnelOwner) -> None:
        """Passes a 101 on, and leaves the connection to a tunnel that begins with the worker's `rest`."""

    @abstractmethod
    def send_head(self, message: ResponseMessage, data: bytes) -> None:
        """Begins the answer: with the head as it came, and behind it in `data` what has come of its body."""

    @abstractmethod
    def send_body(self, data: bytes) -> None:
        """Passes a piece of the answer's body on."""

    @abstractmethod
    def send_local(self, answer: Refusal | Response) -> int:
        """Answers in the worker's place; returns the body's bytes."""

    @abstractmethod
    def send_error(self, error: ProxyError) -> int:
        """Answers in the worker's place; returns the body's bytes."""

    @abstractmethod
    def end(self) -> None:
        """The answer is whole."""

    @abstractmethod
    def abort(self) -> None:
        """The answer will never be whole: the client must see that."""

    @abstractmethod
    def pause(self) -> None:
        """Stops the request's body."""

    @abstractmethod
    def resume(self) -> None:
        """Lets the request's body go on."""
