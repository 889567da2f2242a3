"""A configuration as it stands, run by a real nginx with backends that say which upstream they are."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from router.config.findings import Findings
from router.nginx.directives import Directive
from router.nginx.reading import read
from tests.conformance.requests import Asked
from tests.real_nginx import free_ports, nginx

DROPPED = frozenset({"user", "pid", "error_log", "access_log", "worker_processes", "events", "keepalive"})
_ADDRESS = re.compile(r"(https?://)(127\.0\.0\.1:\d+|localhost:\d+)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: `upstream` is the one that the backend names, empty where nginx answered by itself."""

    status: int
    upstream: str


@dataclass
class Front:
    """The running nginx, one kept connection to each of its ports."""

    sockets: Mapping[int, Path]

    def __post_init__(self) -> None:
        self._open: dict[int, tuple[socket.socket, bytes]] = {}

    def ask(self, port: int, asked: Asked) -> Answer:
        """One answer of the listener that stands for that port."""
        sock, rest = self._open.pop(port, (None, b""))
        if sock is None:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(20)
            sock.connect(str(self.sockets[port]))
        fields = b"".join(b"%b: %b\r\n" % each for each in asked.fields)
        length = b"" if asked.method in ("GET", "HEAD", "TRACE") else b"Content-Length: 0\r\n"
        sock.sendall(b"%b %b HTTP/1.1\r\n%b%b\r\n" % (asked.method.encode(), asked.target, fields, length))
        while b"\r\n\r\n" not in rest:
            rest += _received(sock)
        head, _, rest = rest.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        named = {line.partition(b":")[0].lower(): line.partition(b":")[2].strip() for line in lines[1:]}
        size = 0 if asked.method == "HEAD" else int(named.get(b"content-length", b"0"))
        while len(rest) < size:
            rest += _received(sock)
        if named.get(b"connection") == b"close":
            sock.close()
        else:
            self._open[port] = sock, rest[size:]
        return Answer(status=int(lines[0].split()[1]), upstream=named.get(b"x-upstream", b"").decode())

    def close(self) -> None:
        """Closes all connections."""
        for sock, _ in self._open.values():
            sock.close()


def _received(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    assert data, "nginx closed the connection without an answer"
    return data


@contextmanager
def running(folder: Path, file: Path, upstream_of: Mapping[str, str]) -> Iterator[Front]:
    """nginx with that configuration; `upstream_of` names the upstream of each address in a `proxy_pass`."""
    findings = Findings()
    top = read(file, findings)
    assert top is not None, list(findings)
    http = next((each for each in top if each.name == "http"), None)
    block = http.block or () if http is not None else top
    names = {each.args[0] for each in block if each.name == "upstream"} | set(upstream_of.values())
    ports = dict(zip(sorted(names), free_ports(len(names)), strict=True))
    staging = _Staging(folder, ports, upstream_of)
    text = "\n".join(_text(staging.of(each)) for each in block if each.name not in DROPPED)
    backends = "".join(
        f"server {{ listen 127.0.0.1:{port}; location / {{ add_header X-Upstream {name} always; "
        'return 200 ""; } }\n'
        for name, port in ports.items()
    )
    direct = "".join(
        f"upstream {name} {{ server 127.0.0.1:{ports[name]}; }}\n" for name in set(upstream_of.values())
    )
    limits = "large_client_header_buffers 4 8k; variables_hash_max_size 4096; map_hash_bucket_size 256;\n"
    with nginx(folder, limits + direct + text + "\n" + backends):
        front = Front(staging.sockets)
        try:
            yield front
        finally:
            front.close()


class _Staging:
    """Puts addresses of the test's own into a configuration; `sockets` has the listener for each port."""

    def __init__(self, folder: Path, ports: Mapping[str, int], upstream_of: Mapping[str, str]) -> None:
        self._folder = folder
        self._ports = ports
        self._upstream_of = upstream_of
        self.sockets: dict[int, Path] = {}

    def of(self, directive: Directive) -> Directive:
        """The directive, staged."""
        name, args, block = directive.name, directive.args, directive.block
        if name == "upstream":
            there = replace(directive, name="server", args=(f"127.0.0.1:{self._ports[args[0]]}",), block=None)
            return replace(directive, block=(there,))
        if name == "listen":
            return replace(directive, args=self._listen(args))
        address = _ADDRESS.fullmatch(args[0]) if name == "proxy_pass" else None
        if address:
            return replace(directive, args=(address[1] + self._upstream_of[address[2]] + address[3],))
        inner = tuple(self.of(each) for each in block or () if each.name not in DROPPED)
        return directive if block is None else replace(directive, block=inner)

    def _listen(self, args: tuple[str, ...]) -> tuple[str, ...]:
        port = int(args[0].rpartition(":")[2])
        suffix = "-6" if args[0].startswith("[") else ""
        path = self._folder / f"front-{port}{suffix}.sock"
        if not suffix:
            self.sockets[port] = path
        return (f"unix:{path}", *(["default_server"] if "default_server" in args else []))


def _text(directive: Directive) -> str:
    words = " ".join((_word(directive.name), *map(_word, directive.args)))
    if directive.block is None:
        return f"{words};"
    return words + " {\n" + "\n".join(map(_text, directive.block)) + "\n}"


def _word(word: str) -> str:
    quoted = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return word if re.fullmatch(r"[A-Za-z0-9_$@=~^*./:-]+", word) else f'"{quoted}"'


def addresses(directives: Iterable[Directive]) -> Iterator[str]:
    """The addresses that stand in a `proxy_pass`."""
    for each in directives:
        found = _ADDRESS.fullmatch(each.args[0]) if each.name == "proxy_pass" else None
        if found:
            yield found[2]
        yield from addresses(each.block or ())
