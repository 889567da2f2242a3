"""Certificates renewed while the router serves: read again on SIGHUP, and when their files change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from router.errors import CertificateUnusable
from router.server.listener import ProxyServer
from router.tls.certificates import CertificateStore, ClientStore
from router.tls.x509 import CertificateFacts

INTERVAL = 60.0
"""Seconds between two looks at the files."""


class Renewal:
    """Reads certificates again; new connections get the new ones, those that are open go on.

    What cannot be read leaves the old ones in place, which is said each time.
    """

    __slots__ = ("_clock", "_due", "_say", "_stores")

    def __init__(
        self,
        servers: Iterable[ProxyServer],
        clients: ClientStore,
        *,
        clock: Callable[[], float],
        say: Callable[[str], None],
    ) -> None:
        """`clock` tells seconds since 1970."""
        listening = (
            (str(server.listener), server.certificates)
            for server in servers
            if server.certificates is not None
        )
        self._stores: tuple[tuple[str, CertificateStore | ClientStore], ...] = (
            *listening,
            ("TLS to endpoints", clients),
        )
        self._clock = clock
        self._say = say
        self._due = clock() + INTERVAL

    def tick(self) -> None:
        """Called once a second; looks at the files once a minute, and reads those that have changed."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + INTERVAL
        for listener, store in self._stores:
            if store.changed():
                self._read(listener, store)

    def read_all(self) -> None:
        """Reads every certificate again."""
        for listener, store in self._stores:
            if store.in_use:
                self._read(listener, store)

    def _read(self, listener: str, store: CertificateStore | ClientStore) -> None:
        try:
            store.reload()
        except CertificateUnusable as error:
            self._say(f"error: {listener} keeps its old certificates: {error.message}; {error.hint}")
            return
        told = "; ".join(map(_told, store.facts))
        self._say(f"{listener} has read its certificates again{': ' * bool(told)}{told}")


def _told(facts: CertificateFacts) -> str:
    until = time.strftime("%Y-%m-%d %H:%M", time.gmtime(facts.not_after))
    return f"{', '.join(facts.names) or 'no name'} until {until} UTC"
