"""The reference deployment, as every contender is given it: 71 ordered rules and five worker ports."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from router.local import layout

HOST = "127.0.0.1"
DEFAULT = "synapse"
"""The upstream of what no rule matches: the main process."""

WORKERS: Mapping[str, int] = {DEFAULT: 1, "generic": 3, "receipts": 1}
"""Kinds of processes, and how many there are of each."""

UPSTREAMS: Mapping[str, str] = {
    DEFAULT: DEFAULT,
    "generic-worker": "generic",
    "generic-worker-user": "generic",
    "receipts": "receipts",
}
"""Upstreams, and the kind of process behind each."""

_DATA = Path(__file__).parent / "data" / "reference-routes.tsv"


class Rule(NamedTuple):
    """A regular expression searched in the path, and the upstream that takes what matches."""

    pattern: str
    upstream: str


def rules() -> tuple[Rule, ...]:
    """The rules in their order: the first match wins."""
    lines = _DATA.read_text(encoding="ascii").splitlines()
    return tuple(Rule(*line.split("\t")) for line in lines if not line.startswith("#"))


class Ports(NamedTuple):
    """Where the stand-ins for Synapse listen on 127.0.0.1, by kind."""

    synapse: int
    generic: tuple[int, ...]
    receipts: int

    @classmethod
    def free(cls) -> Ports:
        """Ports that nobody listens on now."""
        synapse, receipts, *generic = free_ports(sum(WORKERS.values()))
        return cls(synapse=synapse, generic=tuple(generic), receipts=receipts)

    def all(self) -> tuple[int, ...]:
        """Every port."""
        return (self.synapse, *self.generic, self.receipts)

    def of(self, upstream: str) -> tuple[int, ...]:
        """The ports behind an upstream."""
        kind = UPSTREAMS[upstream]
        if kind == "generic":
            return self.generic
        return (self.synapse if kind == DEFAULT else self.receipts,)


def free_ports(count: int) -> list[int]:
    """So many different ports that nobody listens on now, and that no client will be given meanwhile."""
    with closing(layout.free_ports()) as ports:
        return list(islice(ports, count))


def socket_of(folder: Path, port: int) -> Path:
    """The unix socket in a folder that stands for a worker's port."""
    return folder / f"{port}.sock"
