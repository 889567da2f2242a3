"""What may be sent again: the requests that a worker may see twice, and what is at hand of their bodies."""

from __future__ import annotations

from router.errors import UpstreamAborted, UpstreamError, UpstreamTimeout

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""RFC 9110 section 9.2.2; Matrix PUTs carry a transaction id or replace a whole value."""

REPLAY_LIMIT = 65_536
"""Body bytes of an idempotent request that are kept at hand until an answer begins."""


class HeldBody:
    """What is at hand of a request's body, of which `size` bytes have come.

    `whole` tells whether that is all that has come so far. Until it is sent for the first time, it is.
    """

    __slots__ = ("_pieces", "size", "whole")

    def __init__(self) -> None:
        self.size = 0
        self.whole = True
        self._pieces: list[bytes] = []

    def add(self, data: bytes) -> None:
        """The next piece."""
        self._pieces.append(data)
        self.size += len(data)

    def behind(self, head: bytes) -> bytes:
        """The head with what is at hand, to be sent at once."""
        return b"".join((head, *self._pieces))

    def sent(self, method: str) -> None:
        """All of it is sent: lets go what is not to be sent again."""
        if self.size > REPLAY_LIMIT or method not in IDEMPOTENT:
            self.drop()

    def drop(self) -> None:
        """Lets go of it."""
        self.whole = False
        self._pieces.clear()


def is_repeatable(error: UpstreamError, method: str, held: HeldBody | None) -> bool:
    """Whether a request that was sent and not answered may be sent again; `held` is None without a body."""
    return (
        isinstance(error, UpstreamAborted | UpstreamTimeout)
        and method in IDEMPOTENT
        and (held is None or held.whole)
    )
