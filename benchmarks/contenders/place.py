"""Where a contender stands: its folder and port, the workers behind it, and how both sides are spoken to."""

from __future__ import annotations

import http.client
import shutil
import signal
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

from benchmarks.reference import HOST, Ports, socket_of
from router.local.loopback import answers
from router.local.processes import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`certificate` is a PEM file with key and chain for TLS towards clients, None for plain HTTP.

    With `sockets`, the workers are asked on unix sockets in `folder`, each named after its port.
    """

    folder: Path
    ports: Ports
    port: int
    sockets: bool = False
    certificate: Path | None = None

    def endpoints(self, upstream: str, *, unix: str = "unix:") -> list[str]:
        """The workers behind an upstream; `unix` is what stands before the path of a socket."""
        return [
            f"{unix}{socket_of(self.folder, each)}" if self.sockets else f"{HOST}:{each}"
            for each in self.ports.of(upstream)
        ]

    def access_log(self, name: str) -> Path:
        """The file to which the contender of that name writes a line for each request."""
        return self.folder / f"{name}.access.log"

    def file(self, name: str, text: str) -> Path:
        """A file of a contender's configuration, written."""
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        return file

    def program(self, name: str, *command: str, log: Path | None = None) -> Program:
        """The command as a child process that is ready once it passes /health on to a worker."""
        return Program(
            name=name,
            command=command,
            log=log or self.folder / f"{name}.log",
            pid_file=self.folder / f"{name}.pid",
            ready=self._ready,
            death_signal=signal.SIGTERM,
        )

    def _ready(self) -> bool:
        return answers(self.port) if self.certificate is None else _answers_in_tls(self.port)


def find(program: str) -> str | None:
    """Where a program is; Debian keeps servers where ordinary users do not look."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


def write_certificate(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 of an authority that nobody trusts, in one PEM file."""
    file = folder / "certificate.pem"
    trustme.CA().issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(file))
    return file


def trusting() -> ssl.SSLContext:
    """A client that takes whatever certificate it is shown: trust is not what is measured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _answers_in_tls(port: int) -> bool:
    asking = http.client.HTTPSConnection(HOST, port, timeout=1, context=trusting())
    try:
        asking.request("GET", "/health")
        return asking.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asking.close()
