"""The listeners of one Synapse process: what `listeners`, `worker_listeners` and their older forms say.

The shapes are those of synapse/config/server.py (parse_listener_def) and synapse/config/workers.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from router.errors import Source
from router.synapse.document import Value
from router.table import Address, TcpAddress, UnixAddress

EVERY_HOST = ("::", "0.0.0.0")  # noqa: S104 - what Synapse binds to where nothing is said
CLOSED_KINDS = ("replication", "metrics", "manhole")

Section = Mapping[str, Value]


class ProblemKind(Enum):
    """What is the matter with a file of Synapse's."""

    UNREADABLE = "cannot be read"
    MISSHAPEN = "says something that cannot be understood"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in Synapse's files that the guard would have to know and cannot."""

    kind: ProblemKind
    message: str
    source: Source | None
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One listener of a Synapse process.

    `addresses` are its bind addresses with its port, or its unix path. `kind` is Synapse's `type`;
    `resources` are those of an http listener, without `health`, which every one has, and with
    `additional` for what modules add.
    """

    addresses: tuple[Address, ...]
    kind: str
    source: Source
    resources: frozenset[str] = frozenset()
    x_forwarded: bool = False
    tls: bool = False

    @property
    def closed_as(self) -> str:
        """What it is that no client may reach: replication, metrics or manhole; empty where it is neither."""
        if self.kind != "http":
            return self.kind
        return next((kind for kind in CLOSED_KINDS if kind in self.resources), "")

    @property
    def serves(self) -> frozenset[str]:
        """The resources that clients and other servers are meant to reach."""
        return self.resources.difference(CLOSED_KINDS)


class ListenerReader:
    """Reads listeners; what cannot be understood is added to `problems`."""

    __slots__ = ("_problems",)

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def main(self, root: Section) -> tuple[Listener, ...]:
        """Those of the main process; the older `bind_port` replaces the list."""
        legacy = self._bind_port(root)
        listeners = legacy or self._listed(root, "listeners")
        return (*listeners, *self._single(root, "manhole", "manhole"), *self._metrics_port(root))

    def worker(self, root: Section) -> tuple[Listener, ...]:
        """Those of a worker."""
        return (*self._listed(root, "worker_listeners"), *self._single(root, "worker_manhole", "manhole"))

    def misshapen(self, message: str, source: Source, fix: str) -> None:
        """Adds a problem."""
        problem = Problem(kind=ProblemKind.MISSHAPEN, message=message, source=source, fix=fix)
        self._problems.append(problem)

    def port(self, value: Value | None, what: str) -> int | None:
        """A port; None where there is none, or one that is no port, which is a problem."""
        if value is None or value.content is None:
            return None
        content = value.content
        if isinstance(content, int) and not isinstance(content, bool) and 0 <= content <= 65535:
            return content or None
        self.misshapen(f"{what} is a port, not {_shown(content)}", value.source, "write a number in 1-65535")
        return None

    def path(self, value: Value | None, what: str) -> UnixAddress | None:
        """The absolute path of a unix socket; None where there is none, or another, which is a problem."""
        if value is None or value.content is None:
            return None
        if isinstance(value.content, str) and value.content.startswith("/"):
            return UnixAddress(path=value.content)
        self.misshapen(
            f"{what} is the absolute path of a unix socket, not {_shown(value.content)}",
            value.source,
            "write it from the root: a relative path depends on the folder that Synapse is started in",
        )
        return None

    def text(self, value: Value | None, what: str) -> str:
        """A word; empty where there is none, or something else, which is a problem."""
        if value is None or value.content is None:
            return ""
        if isinstance(value.content, str):
            return value.content
        self.misshapen(f"{what} is a word, not {_shown(value.content)}", value.source, "put quotes around it")
        return ""

    def _listed(self, root: Section, key: str) -> tuple[Listener, ...]:
        value = root.get(key)
        if value is None or value.content is None:
            return ()
        if not isinstance(value.content, tuple):
            self.misshapen(
                f"`{key}` is a list, not {_shown(value.content)}",
                value.source,
                "begin each listener with `- `",
            )
            return ()
        read = [self._listener(item) for item in value.content]
        return tuple(listener for listener in read if listener is not None)

    def _listener(self, value: Value) -> Listener | None:
        fields = value.content
        if not isinstance(fields, Mapping):
            self.misshapen(
                f"a listener is a mapping, not {_shown(fields)}",
                value.source,
                "write `port:`, `type:` and `resources:`",
            )
            return None
        kind = self.text(fields.get("type"), "`type`")
        if kind not in ("http", *CLOSED_KINDS):
            self.misshapen(
                f"a listener's `type` is http, metrics or manhole, not {_named(kind)}",
                fields["type"].source if "type" in fields else value.source,
                "write `type: http`",
            )
        path = self.path(fields.get("path"), "`path`")
        port = self.port(fields.get("port"), "`port`")
        if "path" not in fields and "port" not in fields:
            self.misshapen(
                "a listener has no `port` and no `path`", value.source, "write the one that it listens on"
            )
        return Listener(
            addresses=(*([path] if path else ()), *(self._bound(fields, port, kind) if port else ())),
            kind=kind or "unknown",
            source=value.source,
            resources=self._resources(fields),
            x_forwarded=_flag(fields, "x_forwarded", default=path is not None),
            tls=path is None and _flag(fields, "tls", default=False),
        )

    def _bound(self, fields: Section, port: int, kind: str) -> tuple[Address, ...]:
        hosts = self._words(fields.get("bind_addresses"), "`bind_addresses`")
        one = self.text(fields.get("bind_address"), "`bind_address`")
        hosts += [one] if one else []
        if not hosts:
            hosts = list(EVERY_HOST[1:] if kind == "metrics" else EVERY_HOST)
        return _at(hosts, port)

    def _resources(self, fields: Section) -> frozenset[str]:
        found: set[str] = set()
        value = fields.get("resources")
        items = value.content if value is not None else ()
        if value is not None and items is not None and not isinstance(items, tuple):
            self.misshapen(
                f"`resources` is a list, not {_shown(items)}", value.source, "write `- names: [client]`"
            )
        for item in items if isinstance(items, tuple) else ():
            if isinstance(item.content, Mapping):
                found.update(self._words(item.content.get("names"), "`names`"))
            else:
                self.misshapen(
                    f"a resource is a mapping, not {_shown(item.content)}",
                    item.source,
                    "write `- names: [client]`",
                )
        more = fields.get("additional_resources")
        if more is not None and more.content:
            found.add("additional")
        return frozenset(found - {"health", ""})

    def _words(self, value: Value | None, what: str) -> list[str]:
        if value is None or value.content is None:
            return []
        if not isinstance(value.content, tuple):
            self.misshapen(
                f"{what} is a list, not {_shown(value.content)}", value.source, "put it into `[ ]`"
            )
            return [value.content] if isinstance(value.content, str) else []
        return [self.text(item, f"each of {what}") for item in value.content]

    def _single(self, root: Section, key: str, kind: str) -> tuple[Listener, ...]:
        """A listener that is nothing but its port, on loopback."""
        port = self.port(root.get(key), f"`{key}`")
        if port is None:
            return ()
        return (Listener(addresses=_at(["127.0.0.1"], port), kind=kind, source=root[key].source),)

    def _metrics_port(self, root: Section) -> tuple[Listener, ...]:
        port = self.port(root.get("metrics_port"), "`metrics_port`")
        if port is None:
            return ()
        host = self.text(root.get("metrics_bind_host"), "`metrics_bind_host`") or "127.0.0.1"
        return (Listener(addresses=_at([host], port), kind="metrics", source=root["metrics_port"].source),)

    def _bind_port(self, root: Section) -> tuple[Listener, ...]:
        """The older `bind_port`, with TLS, and `unsecure_port`, 400 below it, without."""
        port = self.port(root.get("bind_port"), "`bind_port`")
        if port is None:
            return ()
        host = self.text(root.get("bind_host"), "`bind_host`") or EVERY_HOST[1]
        second = (
            self.port(root["unsecure_port"], "`unsecure_port`") if "unsecure_port" in root else port - 400
        )
        return tuple(
            Listener(
                addresses=_at([host], each),
                kind="http",
                source=root["bind_port"].source,
                resources=frozenset({"client", "federation"}),
                tls=each == port,
            )
            for each in (port, second)
            if each is not None and each > 0
        )


def address_at(host: str, port: int) -> TcpAddress:
    """The address of a host as Synapse's files write it: in brackets or not, empty for every one."""
    return TcpAddress(host=host.removeprefix("[").removesuffix("]") or EVERY_HOST[1], port=port)


def _at(hosts: list[str], port: int) -> tuple[Address, ...]:
    return tuple(address_at(host, port) for host in hosts)


def _flag(fields: Section, key: str, *, default: bool) -> bool:
    value = fields.get(key)
    return default if value is None else bool(value.content)


def _named(word: str) -> str:
    return f"`{word}`" if word.isidentifier() else _shown(word or None)


def _shown(content: object) -> str:
    """What stands there, by its kind: the text itself may be a secret in the wrong place."""
    if content is None:
        return "nothing"
    if isinstance(content, bool | int | float):
        return f"`{content}`"
    if isinstance(content, str):
        return "a text"
    return "a mapping" if isinstance(content, Mapping) else "a list"
