"""The certificates that clients are shown, for the status: whose they are, and which have expired."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from router.observe.listeners import ListenerState


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStatus:
    """A certificate of one listener: its file, its names, and when it expires, in seconds since 1970."""

    listener: str
    certificate: str
    names: tuple[str, ...]
    not_after: float


def certificates_of(listeners: Iterable[ListenerState]) -> tuple[CertificateStatus, ...]:
    """Those of all listeners, in the order of the file."""
    return tuple(
        CertificateStatus(
            listener=each.listener, certificate=one.certificate, names=one.names, not_after=one.not_after
        )
        for each in listeners
        for one in each.certificates
    )


def expired(certificates: Iterable[CertificateStatus], now: float) -> str:
    """A sentence on those that no client believes any more; empty where there is none."""
    found = [f"{each.certificate} on {each.listener}" for each in certificates if each.not_after <= now]
    return f"Expired, so that clients refuse to connect: {', '.join(found)}." if found else ""
