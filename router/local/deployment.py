"""The whole local deployment: brought up step by step, taken down in order, single ones ended and revived."""

from __future__ import annotations

import fcntl
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from router.errors import LocalError
from router.local import postgres, synapse, valkey
from router.local.credentials import Credentials
from router.local.layout import HOST, Layout
from router.local.loopback import answers
from router.local.ports import require_free
from router.local.processes import Process, Program, stop_all, wait_until_ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do on the way up, in words, and the doing; it raises LocalError."""

    title: str
    run: Callable[[], None]


class Deployment:
    """PostgreSQL, Valkey, the Synapse processes and, with `routes`, the router before them.

    As a context manager it is up inside and gone outside. Use it from one thread that lives as long
    as it does: the kernel ends the processes when the thread that started them ends.

    `routes` is a routes.yaml; `durable=False` gives up what a crash of the machine would lose, for tests.
    """

    __slots__ = ("_credentials", "_durable", "_lock", "_routes", "layout", "processes")

    def __init__(self, layout: Layout, *, routes: Path | None = None, durable: bool = True) -> None:
        self.layout = layout
        self.processes: dict[str, Process] = {}
        self._routes = routes
        self._durable = durable
        self._lock: TextIO | None = None
        self._credentials: Credentials | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Takes every step; raises LocalError, or what interrupted it, with nothing left running."""
        try:
            for step in self.steps():
                step.run()
        except BaseException:
            self.stop()
            raise

    def steps(self) -> list[Step]:
        """What `start` does, one by one, for somebody who tells about it, and who calls `stop` at the end.

        On a kept database the workers start beside main; on a new one main has to make the tables first.
        """
        workers = [i.name for i in self.layout.instances if i.name != "main"]
        if synapse.has_tables(self.layout):
            homeserver = [
                Step(
                    title=f"Synapse: main and {len(workers)} workers",
                    run=lambda: self._launch("main", *workers),
                )
            ]
        else:
            homeserver = [
                Step(title="Synapse: main, which makes the tables", run=self._launch_first_main),
                Step(title=f"Synapse: {len(workers)} workers", run=lambda: self._launch(*workers)),
            ]
        router = [] if self._routes is None else [Step(title="router", run=lambda: self._launch("router"))]
        return [
            Step(title="folder and ports", run=self._prepare),
            Step(title="PostgreSQL", run=self._launch_postgres),
            Step(title="Valkey", run=lambda: self._launch("valkey")),
            *homeserver,
            *router,
        ]

    def stop(self) -> None:
        """Ends everything that runs: those that use the servers first, together, then the servers."""
        servers = ("postgres", "valkey")
        stop_all(process for name, process in self.processes.items() if name not in servers)
        stop_all(process for name, process in self.processes.items() if name in servers)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self, name: str) -> None:
        """Ends one process by SIGKILL, as a crash would; KeyError if there is none of that name."""
        self.processes[name].kill()

    def restart(self, name: str) -> None:
        """Starts a process that has ended, or stops and starts one that runs; waits until it is ready."""
        self.processes[name].stop()
        self._launch(name)

    def _prepare(self) -> None:
        layout = self.layout
        layout.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        without_router = {n: port for n, port in layout.ports.items() if not n.startswith("router")}
        require_free(without_router if self._routes is None else layout.ports)
        for folder in (layout.config, layout.data, layout.logs):
            folder.mkdir(exist_ok=True)
        credentials = Credentials.kept_in(layout.data / "credentials.json")
        valkey.write_config(layout, credentials)
        synapse.write_config(layout, credentials)
        self._credentials = credentials
        programs = [
            postgres.program(layout, credentials, durable=self._durable),
            valkey.program(layout, credentials),
            *(synapse.program(layout, instance) for instance in layout.instances),
        ]
        if self._routes is not None:
            programs.append(router_program(layout, _routes_for(layout, self._routes)))
        self.processes = {program.name: Process(program) for program in programs}

    def _take_lock(self) -> None:
        """Two deployments in one folder would write over each other's files."""
        lock = (self.layout.folder / "lock").open("a+", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip()
            lock.close()
            raise LocalError(f"{self.layout.folder} is in use by pid {owner}: it runs already") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _launch(self, *names: str) -> None:
        started = [self.processes[name] for name in names]
        for process in started:
            process.start()
        wait_until_ready(started)

    def _launch_postgres(self) -> None:
        if self._credentials is None:
            raise LocalError("the folder is not prepared")
        postgres.ensure_cluster(self.layout, self._credentials)
        self._launch("postgres")
        postgres.ensure_database(self.layout, self._credentials)

    def _launch_first_main(self) -> None:
        if self._credentials is None:
            raise LocalError("the folder is not prepared")
        credentials = self._credentials
        self._launch("main")
        wait_until_ready(
            [self.processes["main"]], ready=lambda _: postgres.is_up_to_date(self.layout, credentials)
        )
        synapse.note_tables(self.layout)


def _routes_for(layout: Layout, routes: Path) -> Path:
    """The file itself, or a copy with the addresses of a deployment on other ports."""
    try:
        text = routes.read_text(encoding="utf-8")
    except OSError as error:
        raise LocalError(f"{routes} can't be read: {error.strerror}; name another with --routes") from error
    translated = layout.translated(text)
    if translated == text:
        return routes
    copy = layout.config / "routes.yaml"
    named = re.search(r"^synapse *:", translated, re.MULTILINE)
    copy.write_text(translated if named else translated + _own_files(layout), encoding="utf-8")
    return copy


def _own_files(layout: Layout) -> str:
    """Where, beside a copy of the routes, the files lie that tell the guard where replication listens."""
    homeserver = "[homeserver.yaml, overlay.yaml]" if synapse.differs(layout) else "homeserver.yaml"
    return f"\nsynapse: {{homeserver: {homeserver}, workers: workers}}\n"


def router_program(layout: Layout, routes: Path) -> Program:
    """Our router, as anybody starts it; where it speaks TLS, its file says where it listens."""
    command = [sys.executable, "-m", "router", "serve", "-c", str(routes.absolute())]
    addresses = ["--admin", f"{HOST}:{layout.admin_port}"]
    if not layout.tls:
        addresses = ["--listen", f"{HOST}:{layout.router_port}", *addresses]
    return Program(
        name="router",
        command=(*command, *addresses),
        log=layout.log("router"),
        pid_file=layout.pid_file("router"),
        ready=lambda: answers(layout.admin_port, "/ready"),
    )
