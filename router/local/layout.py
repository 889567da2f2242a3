"""Where a local deployment lives: its folder and every port of it, all on 127.0.0.1."""

from __future__ import annotations

import fcntl
import os
import random
import re
import socket
import tempfile
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One Synapse process; a port is None where the process has no such listener.

    `health_port` is that of a listener with nothing but /health, for a process without another one.
    `resources` are what the client listener serves, in Synapse's names; with none, the process is one of
    the shipped deployment, and its listeners stand in its template in deploy/synapse. `on_socket` says
    that such a client listener is a unix socket in the folder of the layout, and has no port.
    """

    name: str
    client_port: int | None = None
    replication_port: int | None = None
    health_port: int | None = None
    resources: tuple[str, ...] = ()
    on_socket: bool = False

    @property
    def ports(self) -> dict[str, int]:
        """Every port that the process listens on, by kind."""
        kinds = {
            "client": self.client_port,
            "replication": self.replication_port,
            "health": self.health_port,
        }
        return {kind: port for kind, port in kinds.items() if port is not None}


REFERENCE = (
    Instance(name="main", client_port=8008, replication_port=9093),
    Instance(name="generic1", client_port=8101),
    Instance(name="generic2", client_port=8102),
    Instance(name="generic3", client_port=8103),
    Instance(name="events_persister1", replication_port=9111),
    Instance(name="receipts_writer", client_port=8112, replication_port=9112),
    Instance(name="federation_sender1", health_port=8113),
)
"""The reference deployment; 8113 is ours, as its federation sender listens nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A folder and ports for PostgreSQL, Valkey, the Synapse processes and the router.

    `settings` are top-level keys of Synapse's configuration that stand in for those of homeserver.yaml.
    `tls` says that the router's listener speaks TLS, as the routes.yaml that it reads has to say.
    """

    folder: Path
    instances: tuple[Instance, ...]
    postgres_port: int
    valkey_port: int
    router_port: int
    admin_port: int
    settings: Mapping[str, object] = field(default_factory=dict)
    tls: bool = False

    @classmethod
    def standard(cls, folder: Path) -> Layout:
        """The ports of the reference deployment, for `make run`."""
        return cls(
            folder=folder.absolute(),
            instances=REFERENCE,
            postgres_port=5433,
            valkey_port=6380,
            router_port=8080,
            admin_port=8081,
        )

    @classmethod
    def free(
        cls,
        folder: Path,
        *,
        instances: tuple[Instance, ...] = REFERENCE,
        settings: Mapping[str, object] | None = None,
    ) -> Layout:
        """Ports that are free now, so that tests run beside `make run`.

        The replication ports then lie anywhere: a guard has to be told `replication_ports`, or where
        Synapse's files are. Of the ports of `instances` it only counts which are there.
        """
        ports = free_ports()

        def take(port: int | None) -> int | None:
            return None if port is None else next(ports)

        placed = tuple(
            replace(
                i,
                client_port=take(i.client_port),
                replication_port=take(i.replication_port),
                health_port=take(i.health_port),
            )
            for i in instances
        )
        postgres, valkey, router, admin = (next(ports) for _ in range(4))
        ports.close()
        return cls(
            folder=folder.absolute(),
            instances=placed,
            postgres_port=postgres,
            valkey_port=valkey,
            router_port=router,
            admin_port=admin,
            settings=settings or {},
        )

    def __getitem__(self, name: str) -> Instance:
        """The instance of that name; KeyError if there is none."""
        for instance in self.instances:
            if instance.name == name:
                return instance
        raise KeyError(name)

    @property
    def base_url(self) -> str:
        """Where clients find the router."""
        return f"http{'s' if self.tls else ''}://{HOST}:{self.router_port}"

    @property
    def server_name(self) -> str:
        """What stands behind the colon of its users' and rooms' ids."""
        return str(self.settings.get("server_name", "localhost"))

    def client_socket(self, instance: Instance) -> Path:
        """Where the client listener of an instance `on_socket` is."""
        return self.folder / f"{instance.name}.sock"

    def listeners(self, instance: Instance) -> dict[str, int | Path]:
        """Ports and unix sockets of the process, by kind; the first is the one to ask for /health."""
        sockets = {"client": self.client_socket(instance)} if instance.on_socket else {}
        return sockets | instance.ports

    @property
    def replication_ports(self) -> tuple[int, ...]:
        """The unauthenticated listeners, which a router's guard must know of."""
        return tuple(i.replication_port for i in self.instances if i.replication_port is not None)

    @property
    def ports(self) -> dict[str, int]:
        """Every port of the deployment, under the name of what listens there."""
        servers = {
            "postgres": self.postgres_port,
            "valkey": self.valkey_port,
            "router": self.router_port,
            "router admin": self.admin_port,
        }
        return servers | {f"{i.name} {kind}": port for i in self.instances for kind, port in i.ports.items()}

    def translated(self, text: str) -> str:
        """The text, such as routes.yaml, with our address for each of the standard layout that it names."""
        standard = {port: name for name, port in Layout.standard(self.folder).ports.items()}
        ours = {name: f"{HOST}:{port}" for name, port in self.ports.items()}
        ours |= {f"{i.name} client": f"unix:{self.client_socket(i)}" for i in self.instances if i.on_socket}

        def ours_for(match: re.Match[str]) -> str:
            name = standard.get(int(match["port"]))
            return match[0] if name is None else ours[name]

        return re.sub(rf"(?<![\w.]){re.escape(HOST)}:(?P<port>\d+)\b", ours_for, text)

    @property
    def config(self) -> Path:
        """Configuration files, written anew at each start."""
        return self.folder / "config"

    @property
    def data(self) -> Path:
        """What is kept: database, media, signing key, secrets."""
        return self.folder / "data"

    @property
    def logs(self) -> Path:
        """One NAME.log for each process."""
        return self.folder / "logs"

    def log(self, process: str) -> Path:
        """What the process prints."""
        return self.logs / f"{process}.log"

    def pid_file(self, process: str) -> Path:
        """Holds the process id while the process runs."""
        return self.folder / f"{process}.pid"


def free_ports() -> Generator[int]:
    """Different ports of 127.0.0.1 that nobody listens on, each held until the generator is closed.

    They lie below those that the kernel gives to outgoing connections: dozens of these open
    between the choice of a port here and the moment when Synapse listens on it. No other process that
    chooses here takes the same one until this process ends.
    """
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    candidates = list(range(10_000, max(low, 20_000)))
    random.shuffle(candidates)
    with ExitStack() as held:
        for port in candidates:
            probe = held.enter_context(socket.socket())
            try:
                probe.bind((HOST, port))
                fcntl.lockf(_choices(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            except OSError:
                continue
            yield port


@cache
def _choices() -> int:
    """A file that stays open, of which each process locks a byte for every port that it has chosen."""
    file = Path(tempfile.gettempdir()) / f"synapse-router-ports-{os.getuid()}"
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
