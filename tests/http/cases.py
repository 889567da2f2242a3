"""Cases of HTTP/1.1 on the wire, as the YAML files here have them: README.md says how one reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FOLDER = Path(__file__).parent

_REPEATED = re.compile(r"<<(.+?)\*(\d+)>>", re.DOTALL)
_KEYS = frozenset(
    {"name", "rfc", "why", "send", "methods", "saw", "got", "end", "refused", "passed", "clients", "show"}
    | {"worker", "listens", "worker_end", "connections", "settings", "route", "upstream"}
    | {"nginx", "haproxy", "alone", "differs", "laxer"}
)
_CLIENT_KEYS = frozenset({"send", "methods", "got", "end"})
_ANSWER_KEYS = frozenset({"status", "line", "headers", "body", "whole"})
_REQUEST_KEYS = frozenset({"line", "headers", "fields", "body", "whole"})
_PLAIN_VERBS = frozenset({"fin", "reset", "head", "request", "connect", "quiet"})
ENDS = ("kept", "closed", "reset")

REFUSAL_HEADERS = {
    "content-type": "application/json",
    "access-control-allow-origin": "*",
    "connection": "close",
}


class CaseError(Exception):
    """A case that does not read as README.md says."""


class Step(NamedTuple):
    """One thing that a client or a worker does.

    `verb` is `write` (`data`), `bytewise` (`data`, a byte at a time), `wait` (`seconds` pass), `until`
    (`data` has come), `fin`, `reset`, `quiet` (all others have done what they can), or, for a worker only,
    `head` and `request` (the next one has come) and `connect` (begins before any request).
    """

    verb: str
    data: bytes = b""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAnswer:
    """What of one answer is looked at; None for what is not. A header of None must not be there."""

    status: int
    line: bytes | None = None
    headers: Mapping[str, bytes | None] = field(default_factory=dict)
    body: bytes | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRequest:
    """What of one request is looked at.

    `headers` are all lines in order, but for the three X-Forwarded ones that the router adds at the end;
    `fields` the values of those names, None for what must not be there.
    """

    line: bytes
    headers: tuple[bytes, ...] | None = None
    fields: Mapping[str, bytes | None] = field(default_factory=dict)
    body: bytes | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What one client does, and what it gets. `methods` are those of its requests, HEAD being of interest."""

    steps: tuple[Step, ...]
    methods: tuple[str, ...]
    got: tuple[ExpectedAnswer, ...]
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One dialogue: its clients come one after the other, and stay until all are done."""

    topic: str
    name: str
    rfc: str
    why: str
    clients: tuple[Client, ...]
    worker: tuple[tuple[Step, ...], ...]
    listens: bool
    saw: tuple[ExpectedRequest, ...]
    worker_end: str | None
    connections: int | None
    settings: Mapping[str, Any]
    route: Mapping[str, Any]
    upstream: Mapping[str, Any]
    nginx: Mapping[str, str]
    haproxy: Mapping[str, str]
    alone: str
    differs: str
    laxer: str
    show: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"{self.topic}: {self.name}"


def wire(text: str) -> bytes:
    """The bytes of a text: `<<a*9000>>` stands for nine thousand `a`, U+0080 to U+00FF for those bytes."""
    return _REPEATED.sub(lambda found: found[1] * int(found[2]), text).encode("latin-1")


def topics() -> dict[str, str]:
    """The title of each file, by its name without `.yaml`."""
    return {file.stem: str(_read(file)["title"]) for file in _files()}


def all_cases() -> list[Case]:
    """Every case of every file, in the files' order."""
    cases = [_case(file.stem, entry) for file in _files() for entry in _read(file)["cases"]]
    names = [case.id for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise CaseError(f"names that stand for two cases: {sorted(twice)}")
    return cases


def _files() -> list[Path]:
    return sorted(FOLDER.glob("*.yaml"))


def _read(file: Path) -> Any:
    return yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def _case(topic: str, entry: Mapping[str, Any]) -> Case:
    try:
        return _checked_case(topic, entry)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CaseError(f"{topic}.yaml, {entry.get('name')!r}: {error!r}") from error


def _checked_case(topic: str, entry: Mapping[str, Any]) -> Case:
    _only(entry, _KEYS, "a case")
    entry = _unfolded(entry)
    if (entry.keys() & {"settings", "route", "upstream"}) and not (
        entry.keys() & {"nginx", "haproxy", "alone"}
    ):
        raise ValueError(
            "what is configured here must be configured there too: `nginx`, `haproxy` or `alone`"
        )
    clients = entry.get("clients") or [{key: entry[key] for key in _CLIENT_KEYS & entry.keys()}]
    return Case(
        topic=topic,
        name=entry["name"],
        rfc=str(entry["rfc"]),
        why=entry.get("why", ""),
        clients=tuple(map(_client, clients)),
        worker=_acts(entry.get("worker")),
        listens=entry.get("listens", True),
        saw=tuple(map(_request, _listed(entry["saw"]))),
        worker_end=entry.get("worker_end"),
        connections=entry.get("connections"),
        settings=entry.get("settings", {}),
        route=entry.get("route", {}),
        upstream=entry.get("upstream", {}),
        nginx=entry.get("nginx") or {},
        haproxy=entry.get("haproxy") or {},
        alone=entry.get("alone", ""),
        differs=entry.get("differs", ""),
        laxer=entry.get("laxer", ""),
        show=tuple(_listed(entry.get("show", []))),
    )


def _unfolded(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """`refused: STATUS` and `passed: LINE` written out."""
    if "refused" in entry:
        answer = {"status": entry["refused"], "headers": REFUSAL_HEADERS}
        return {"saw": [], "got": [answer], "end": "closed", **entry}
    if "passed" in entry:
        return {"saw": [entry["passed"]], "got": [200], "end": "kept", **entry}
    return entry


def _client(entry: Mapping[str, Any]) -> Client:
    _only(entry, _CLIENT_KEYS, "a client")
    steps = tuple(map(_step, _listed(entry["send"])))
    first = b"".join(step.data for step in steps).split(b" ", 1)[0]
    if entry["end"] not in ENDS:
        raise ValueError(f"`end` is one of {ENDS}")
    return Client(
        steps=steps,
        methods=tuple(entry.get("methods", [first.decode("latin-1")])),
        got=tuple(map(_answer, _listed(entry["got"]))),
        end=entry["end"],
    )


def _acts(entry: Any) -> tuple[tuple[Step, ...], ...]:
    """What the worker does for each request; one act may stand without a list around it."""
    if entry is None:
        return ()
    acts = _listed(entry)
    if not any(isinstance(act, list) for act in acts):
        acts = [acts]
    return tuple(tuple(map(_step, act)) for act in acts)


def _step(entry: Any) -> Step:
    if isinstance(entry, str):
        return Step(entry) if entry in _PLAIN_VERBS else Step("write", wire(entry))
    [(verb, value)] = entry.items()
    if verb == "wait":
        return Step("wait", seconds=float(value))
    if verb not in {"bytewise", "until", "write"}:
        raise ValueError(f"{verb!r} is nothing that can be done")
    return Step(verb, wire(value))


def _answer(entry: Any) -> ExpectedAnswer:
    if isinstance(entry, int):
        return ExpectedAnswer(status=entry)
    _only(entry, _ANSWER_KEYS, "an answer")
    return ExpectedAnswer(
        status=entry["status"],
        line=_bytes(entry.get("line")),
        headers={name.lower(): _bytes(value) for name, value in entry.get("headers", {}).items()},
        body=_bytes(entry.get("body")),
        whole=entry.get("whole", True),
    )


def _request(entry: Any) -> ExpectedRequest:
    if isinstance(entry, str):
        return ExpectedRequest(line=wire(entry))
    _only(entry, _REQUEST_KEYS, "a request")
    headers = entry.get("headers")
    return ExpectedRequest(
        line=wire(entry["line"]),
        headers=None if headers is None else tuple(map(wire, headers)),
        fields={name.lower(): _bytes(value) for name, value in entry.get("fields", {}).items()},
        body=_bytes(entry.get("body")),
        whole=entry.get("whole", True),
    )


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else wire(str(text))


def _listed(entry: Any) -> list[Any]:
    return entry if isinstance(entry, list) else [entry]


def _only(entry: Mapping[str, Any], keys: frozenset[str], what: str) -> None:
    unknown = entry.keys() - keys
    if unknown:
        raise ValueError(f"{what} has no {sorted(unknown)}")
