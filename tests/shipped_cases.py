"""Reads tests/cases/*.yaml: requests, and what the shipped table does with them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from router.request import RequestHead

FOLDER = Path(__file__).parent / "cases"
_KEYS = {"request", "upstream", "route", "refused", "near", "because"}
_BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request and where it goes: an upstream by a route, or the status of a refusal.

    `near` names the routes that the request only looks like.
    """

    kind: str
    method: str
    target: bytes
    upstream: str | None
    route: str | None
    refused: int | None
    near: frozenset[str]
    because: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.method} {self.target.decode('latin-1')}"

    def head(self) -> RequestHead:
        """The request of somebody with a token; raises ProxyError where it is none."""
        token = (b"authorization", b"Bearer syt_YWxpY2U_abcdefghij_0AAAAA")
        return RequestHead(method=self.method, target=self.target, headers=(token,), client="192.0.2.7")


def read_cases() -> list[Case]:
    """All cases, by file and in its order; raises ValueError for one that is badly written."""
    return [case for file in sorted(FOLDER.glob("*.yaml")) for case in _read_file(file)]


def expand(text: str) -> list[str]:
    """`a{b,c}d` as `abd` and `acd`, as a shell does it."""
    pieces = _BRACES.split(text)
    choices = [piece.split(",") if at % 2 else [piece] for at, piece in enumerate(pieces)]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def _read_file(file: Path) -> Iterator[Case]:
    for entry in yaml.safe_load(file.read_text(encoding="utf-8")):
        where = f"{file.name}: {entry.get('request')}"
        if not entry.keys() <= _KEYS or not entry.keys() >= {"request", "because"}:
            raise ValueError(f"{where}: the keys are {', '.join(sorted(_KEYS))}")
        forwarded = entry.keys() & {"upstream", "route"}
        if len(forwarded) == 1 or bool(forwarded) == ("refused" in entry):
            raise ValueError(f"{where}: a case has `upstream` and `route`, or `refused`")
        near = entry.get("near", [])
        for request in _listed(entry["request"]):
            for line in expand(request):
                method, _, target = line.partition(" ")
                yield Case(
                    kind=file.stem,
                    method=method,
                    target=target.encode("latin-1"),
                    upstream=entry.get("upstream"),
                    route=entry.get("route"),
                    refused=entry.get("refused"),
                    near=frozenset(_listed(near)),
                    because=entry["because"],
                )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
