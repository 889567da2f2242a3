"""A deployment as its homeserver.yaml and workers/*.yaml say it: instances, listeners, who writes what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from router.errors import Source
from router.settings import ClosedListener
from router.synapse.document import NotReadable, Value, read
from router.synapse.listener import (
    Listener,
    ListenerReader,
    Problem,
    ProblemKind,
    Section,
    address_at,
)
from router.table import Address

MAIN = "main"
"""What `instance_map` calls the main process; to itself it is `master`."""

MAIN_APP = "synapse.app.homeserver"

DEFAULT_UPLOAD = 50 * 1024**2
"""Synapse's `max_upload_size` where its files say nothing (docs: 50M)."""

_WORKER_KEYS = ("worker_app", "worker_name", "worker_listeners")
_MAIN_KEYS = ("listeners", "bind_port", "manhole", "metrics_port")
_SIZE = re.compile(r"([0-9]{1,15})([KMGT]?)")
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """A file or folder of Synapse's, and where it is named."""

    path: Path
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One Synapse process, with the name that `stream_writers` calls it by; `main` is the main process."""

    name: str
    app: str
    listeners: tuple[Listener, ...]
    source: Source

    @property
    def client_listeners(self) -> tuple[Listener, ...]:
        """Those that an endpoint may be."""
        return tuple(listener for listener in self.listeners if not listener.closed_as)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where other processes reach the replication listener of an instance: an entry of `instance_map`."""

    name: str
    address: Address
    tls: bool
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Writers:
    """The instances that write one stream, and where that is said."""

    names: frozenset[str]
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What the files say. `has_workers` tells whether the workers' files were among them.

    `problems` are what could not be read or understood; the rest is what could be all the same.
    `max_upload_size` is in bytes, None where nothing is said, which is 50 MiB for Synapse.
    """

    instances: tuple[Instance, ...] = ()
    instance_map: tuple[Location, ...] = ()
    stream_writers: Mapping[str, Writers] = field(default_factory=dict)
    max_upload_size: int | None = None
    has_workers: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def upload_limit(self) -> int:
        """Bytes that an upload may have."""
        return DEFAULT_UPLOAD if self.max_upload_size is None else self.max_upload_size

    @property
    def closed(self) -> tuple[ClosedListener, ...]:
        """Every listener that no endpoint may be, with the reason that names its place."""
        own = (
            ClosedListener(address=address, reason=_reason(instance, listener))
            for instance in self.instances
            for listener in instance.listeners
            if listener.closed_as
            for address in listener.addresses
        )
        mapped = (
            ClosedListener(
                address=location.address,
                reason=f"is the replication listener of {location.name} ({location.source})",
            )
            for location in self.instance_map
        )
        return (*own, *mapped)

    def writers(self, stream: str) -> frozenset[str]:
        """The instances that write a stream: main where nothing else is said."""
        said = self.stream_writers.get(stream)
        return said.names if said else frozenset({MAIN})


def read_deployment(homeserver: Sequence[Pointer], workers: Sequence[Pointer] = ()) -> Deployment:
    """Reads the files; raises nothing, whatever is in them.

    A folder stands for its *.yaml in the order of their names, as for Synapse's own `-c`, and of the
    homeserver's files a later one replaces whole top-level keys of an earlier one.
    """
    return _Reader().deployment(homeserver, workers)


class _Reader:
    __slots__ = ("_listeners", "_locations", "_problems")

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._listeners = ListenerReader(self._problems)
        self._locations: dict[tuple[str, Address], Location] = {}

    def deployment(self, homeserver: Sequence[Pointer], workers: Sequence[Pointer]) -> Deployment:
        shared: dict[str, Value] = {}
        roots = self._roots(homeserver)
        for _, root in roots:
            shared.update(root)
        self._locate(shared)
        instances: list[Instance] = []
        if roots:
            self._judge_homeserver(shared, roots[0][0])
            instances.append(self._main(shared, roots[0][0]))
        read = self._roots(workers)
        for _, root in read:
            if not _is_of_one(root):
                shared.update(root)
        for pointer, root in read:
            instances += self._worker(shared, root, pointer)
        return Deployment(
            instances=tuple(instances),
            instance_map=tuple(self._locations.values()),
            stream_writers=MappingProxyType(self._writers(shared.get("stream_writers"))),
            max_upload_size=_size(shared.get("max_upload_size")),
            has_workers=bool(workers),
            problems=tuple(self._problems),
        )

    def _roots(self, pointers: Sequence[Pointer]) -> list[tuple[Pointer, Section]]:
        """The top-level keys of every file, in order."""
        files = [file for pointer in pointers for file in self._files(pointer)]
        if pointers and not files and not self._problems:
            self._unreadable(
                "there is no *.yaml in it", pointers[0].source, "write the path of Synapse's files"
            )
        return [(file, root) for file in files if (root := self._root(file)) is not None]

    def _files(self, pointer: Pointer) -> list[Pointer]:
        path = pointer.path
        try:
            if not path.is_dir():
                return [pointer]
            names = sorted(each for each in path.iterdir() if each.name.endswith(".yaml"))
            # As Synapse: no folder, and no link to nothing, as an editor leaves beside a file that is open.
            return [Pointer(path=each, source=pointer.source) for each in names if each.is_file()]
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            self._unreadable(
                f"cannot read {path}: {reason}",
                pointer.source,
                "let the user that the router runs as read it and all folders above it",
            )
            return []

    def _root(self, pointer: Pointer) -> Section | None:
        try:
            value = read(pointer.path)
        except NotReadable as error:
            self._unreadable(error.message, error.source or pointer.source, error.hint)
            return None
        if value is None or value.content is None:
            return {}  # Synapse ignores it too
        if isinstance(value.content, Mapping):
            return value.content
        self._listeners.misshapen(
            f"{pointer.path} is no mapping of keys to values", value.source, "name a file that Synapse reads"
        )
        return None

    def _unreadable(self, message: str, source: Source, fix: str) -> None:
        problem = Problem(kind=ProblemKind.UNREADABLE, message=message, source=source, fix=fix)
        self._problems.append(problem)

    def _judge_homeserver(self, shared: Section, first: Pointer) -> None:
        """Whether it can be main's: one without listeners is allowed, and would leave the guard blind."""
        if not shared:
            what = "is empty"
        elif "server_name" not in shared and any(key in shared for key in _WORKER_KEYS):
            what = "is a worker's file"
        else:
            return
        fix = "write the path of the file that the main process reads"
        self._listeners.misshapen(f"{first.path} {what}, and tells nothing of main", first.source, fix)

    def _main(self, shared: Section, pointer: Pointer) -> Instance:
        return Instance(
            name=MAIN,
            app=MAIN_APP,
            listeners=self._listeners.main(shared),
            source=Source(file=str(pointer.path), line=1),
        )

    def _worker(self, shared: Section, root: Section, pointer: Pointer) -> Iterable[Instance]:
        """The worker of a file; a file for main, or one shared by all, gives what it says of main."""
        self._locate(root)
        whole = {**shared, **root}
        app = self._listeners.text(root.get("worker_app"), "`worker_app`")
        if app == MAIN_APP or not _is_of_one(root):
            if any(key in root for key in _MAIN_KEYS):
                yield self._main(root, pointer)
            return
        self._locate_legacy(root)
        name = self._listeners.text(whole.get("worker_name"), "`worker_name`") or app or pointer.path.stem
        yield Instance(
            name=_known_as(name),
            app=app,
            listeners=self._listeners.worker(whole),
            source=root["worker_name"].source
            if "worker_name" in root
            else Source(file=str(pointer.path), line=1),
        )

    def _locate(self, root: Section) -> None:
        """The entries of an `instance_map`."""
        value = root.get("instance_map")
        if value is None or value.content is None:
            return
        if not isinstance(value.content, Mapping):
            self._listeners.misshapen(
                "`instance_map` is a mapping of names to addresses",
                value.source,
                "write `NAME: {host, port}`",
            )
            return
        for name, entry in value.content.items():
            fields = entry.content
            if not isinstance(fields, Mapping):
                self._listeners.misshapen(
                    f"`{name}` in `instance_map` has no host and port",
                    entry.source,
                    "write `{host: 127.0.0.1, port: 9111}`",
                )
                continue
            self._location(_known_as(name), fields, entry.source)

    def _location(self, name: str, fields: Section, source: Source) -> None:
        path = self._listeners.path(fields.get("path"), "`path`")
        host = self._listeners.text(fields.get("host"), "`host`")
        port = self._listeners.port(fields.get("port"), "`port`")
        address: Address | None = path or (address_at(host, port) if host and port else None)
        if address is not None:
            tls = "tls" in fields and bool(fields["tls"].content)
            self._add(Location(name=name, address=address, tls=tls, source=source))
        elif "path" not in fields and not ("host" in fields and "port" in fields):
            self._listeners.misshapen(
                f"`{name}` in `instance_map` has no host and port, and no path",
                source,
                "write `{host: 127.0.0.1, port: 9111}` or `{path: /run/synapse/NAME.sock}`",
            )

    def _locate_legacy(self, root: Section) -> None:
        """Where a worker reached main before `instance_map` said so; no longer taken by Synapse."""
        host = self._listeners.text(root.get("worker_replication_host"), "`worker_replication_host`")
        for key in ("worker_replication_port", "worker_replication_http_port"):
            port = self._listeners.port(root.get(key), f"`{key}`")
            if port is not None:
                self._add(
                    Location(name=MAIN, address=address_at(host, port), tls=False, source=root[key].source)
                )

    def _add(self, location: Location) -> None:
        self._locations.setdefault((location.name, location.address), location)

    def _writers(self, value: Value | None) -> dict[str, Writers]:
        """A name or a list of names for each stream."""
        if value is None or not isinstance(value.content, Mapping):
            return {}
        found = {}
        for stream, said in value.content.items():
            items = said.content if isinstance(said.content, tuple) else (said,)
            names = frozenset(_known_as(item.content) for item in items if isinstance(item.content, str))
            if names:
                found[stream] = Writers(names=names, source=said.source)
        return found


def _is_of_one(root: Section) -> bool:
    """Whether a file is that of one process, and not what all of them are given besides their own."""
    return any(key in root for key in _WORKER_KEYS)


def _known_as(name: str) -> str:
    return MAIN if name == "master" else name


def _reason(instance: Instance, listener: Listener) -> str:
    """What follows the endpoint's name in a sentence."""
    if listener.serves:
        parts = ", ".join(sorted(listener.resources))
        return f"is a listener of {instance.name} for {parts} in one ({listener.source})"
    return f"is the {listener.closed_as} listener of {instance.name} ({listener.source})"


def _size(value: Value | None) -> int | None:
    """Bytes of `50M` (synapse/config/_base.py, parse_size); None for what is no size."""
    if value is None or isinstance(value.content, bool):
        return None
    match = _SIZE.fullmatch(str(value.content))
    return int(match[1]) * _UNITS[match[2]] if match else None
