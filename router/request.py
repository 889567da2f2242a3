"""RequestHead: the only facts a decision may depend on, and which heads are refused outright."""

from __future__ import annotations

from collections.abc import Sequence


class RequestHead:
    """One request, as a decision sees it.

    `target` is what is forwarded, byte for byte; `path` is the raw path that Synapse reads (up to the
    `?`), `normalised` the one that nginx matches. Header names are in lower case. `client` is the
    peer's address as text, `''` on a unix socket.

    A plain slotted class and not a frozen dataclass: one is made for every request, and freezing
    costs an `object.__setattr__` for each field.
    """

    __slots__ = ("client", "headers", "method", "normalised", "path", "query", "target")

    def __init__(
        self,
        *,
        method: str,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]] = (),
        client: str = "",
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.client = client
        self.path, _, self.query = target.partition(b"?")
        self.normalised = self.path

    def header(self, name: bytes) -> bytes:
        """The first value of that field, or an empty one."""
        for field_name, value in self.headers:
            if field_name == name:
                return value
        return b""
