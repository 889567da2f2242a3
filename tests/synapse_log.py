"""Synapse's own request log: which process answered what, for whom, and how.

A process writes one line when a request has ended (Synapse manual, "Request log format"), and one
before it where no servlet of that process knows the path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from router.local.layout import Layout

_ACCESS = re.compile(
    r"\S+ \S+ (?:INFO|DEBUG) synapse\.access\.https?\.(?P<site>\S+):\d+ (?P<id>\S+) "
    r"\S+ - \S+ - \{(?P<who>[^}]*)\} Processed request: .*? "
    r'-?\d+B (?P<status>\d+)(?P<cut>!?) "(?P<method>[A-Z-]+) (?P<target>\S+) HTTP/[0-9.]+" '
)
_UNRECOGNIZED = re.compile(
    r"\S+ \S+ INFO synapse\.http\.server:\d+ (?P<id>\S+) .*site='(?P<site>[^']+)'> "
    r"SynapseError: 40[45] - Unrecognized request\s*$"
)
_WORD = re.compile(
    r"(?=.{1,20}$)[a-z]{2,}(?:[A-Z][a-z]+)*[0-9]?$|[a-z_]+$|[a-z]+(?:\.[a-z0-9_]+)+$|v\d$|r0$|\.well-known$"
)
"""What the names in Synapse's paths and the types of events look like, and ids don't."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One request that a process says it has answered.

    `listener` is client, replication or health; `user` is who asked, where Synapse knew. The query of
    `target` has lost its values. `cut` says that the client left before the end. `unrecognized` says
    that the process knows no such endpoint: it answered 404 or 405 M_UNRECOGNIZED.
    """

    process: str
    listener: str
    user: str | None
    method: str
    target: str
    status: int
    cut: bool = False
    unrecognized: bool = False

    @property
    def shape(self) -> str:
        """Method and path, `*` for whatever stands for one of many."""
        segments = self.target.partition("?")[0].split("/")
        return f"{self.method} {'/'.join(s if not s or _WORD.match(s) else '*' for s in segments)}"

    def __str__(self) -> str:
        what = " unrecognized" if self.unrecognized else ""
        return f"{self.process}: {self.shape} {self.status}{'!' if self.cut else ''}{what}"


class ProcessLog:
    """The log of one process from where it ended when this was made, through its restarts."""

    __slots__ = ("_file", "_inode", "_offset", "_process", "_sites", "_strange")

    def __init__(self, process: str, file: Path, sites: dict[str, str]) -> None:
        self._process = process
        self._file = file
        self._sites = sites
        self._strange: set[tuple[str, str]] = set()
        self._inode, self._offset = _end(file)

    def read(self) -> list[Served]:
        """What is new since the last time; a line that is still being written stays for the next.

        At a restart the old log becomes NAME.log.1: two restarts need a call between them.
        """
        lines = []
        inode, size = _end(self._file)
        if inode != self._inode:
            old = self._file.with_name(f"{self._file.name}.1")
            if self._inode and _end(old)[0] == self._inode:
                lines += self._lines_of(old)
            self._inode, self._offset = inode, 0
        if size > self._offset:
            lines += self._lines_of(self._file)
        return list(self._served(lines))

    def _lines_of(self, file: Path) -> list[str]:
        with file.open("rb") as log:
            log.seek(self._offset)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode("utf-8", errors="replace").splitlines()

    def _served(self, lines: list[str]) -> Iterator[Served]:
        for line in lines:
            strange = _UNRECOGNIZED.match(line)
            if strange:
                self._strange.add((strange["site"], strange["id"]))
                continue
            found = _ACCESS.match(line)
            if found is None or found["site"] not in self._sites:
                continue
            asked = (found["site"], found["id"])
            yield Served(
                process=self._process,
                listener=self._sites[found["site"]],
                user=None if found["who"] == "None" else found["who"].partition("|")[0],
                method=found["method"],
                target=_without_values(found["target"]),
                status=int(found["status"]),
                cut=bool(found["cut"]),
                unrecognized=asked in self._strange,
            )
            self._strange.discard(asked)


def process_logs(layout: Layout) -> dict[str, ProcessLog]:
    """The log of every Synapse process, from now on; a site is tagged with its port, or as `unix`."""
    return {
        instance.name: ProcessLog(
            instance.name,
            layout.log(instance.name),
            {
                "unix" if isinstance(place, Path) else str(place): kind
                for kind, place in layout.listeners(instance).items()
            },
        )
        for instance in layout.instances
    }


def _without_values(target: str) -> str:
    path, mark, query = target.partition("?")
    return path + mark + "&".join(f"{pair.partition('=')[0]}=" for pair in query.split("&") if pair)


def _end(file: Path) -> tuple[int, int]:
    """Inode and size, zeros where there is no file yet."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_ino, status.st_size
