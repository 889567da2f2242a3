"""The fixed requests whose instructions are counted, and the program that serves them under callgrind.

Run as a program, `python -m benchmarks.instructions.script FOLDER`: serves everything often enough for the
interpreter to settle, then each kind `REPETITIONS` times, then all of them in turn. Where one count ends and
the next begins it calls the C library's `ctermid`, which nothing else calls.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.inmemory import ANSWER, Lane, lane
from benchmarks.mix import MIX, Request
from benchmarks.proxies import routes_yaml
from benchmarks.reference import Ports
from router.config.loader import load_or_raise
from router.settings import Config

MARK = "ctermid"
"""The C function that is called between two counts."""

REPETITIONS = 64
"""How often each kind is served in its count: as many as lines of the access log are written at once."""

ALL = "all kinds in turn"

LARGE = 65_536
CHUNK = 8_192
PIECE = 15_000
"""The large answer: bytes of JSON, of one chunk, and of what arrives at once, which ends inside of chunks."""

UPLOAD = 16_384

PORTS = Ports(synapse=8008, generic=(8101, 8102, 8103), receipts=8112)
"""The reference's own; nothing connects to them. What is hashed over them is to be the same in every run."""


class Kind(NamedTuple):
    """A request and its worker's answer, in pieces as they arrive; no answer where no worker is asked."""

    name: str
    request: tuple[bytes, ...]
    answer: tuple[bytes, ...]


def kinds() -> tuple[Kind, ...]:
    """The mix, a large answer, an upload, and a request that the router refuses by itself."""
    small = [Kind(each.name, (each.raw("ada"),), (ANSWER,)) for each in MIX]
    state = Request("state", "GET", "/_matrix/client/v3/rooms/!OGEhHVWSdvArJzumhm:matrix.example.org/state")
    upload = Request(
        "upload", "PUT", "/_matrix/federation/v1/send/1700000000000-315", f'"{"x" * (UPLOAD - 2)}"'
    )
    closed = Request("closed", "GET", "/_synapse/admin/v2/users?limit=10")
    half = len(upload.raw("ada")) - UPLOAD // 2
    return (
        *small,
        Kind("64 KiB answer in pieces", (state.raw("ada"),), large_answer()),
        Kind("16 KiB body in two pieces", (upload.raw("ada")[:half], upload.raw("ada")[half:]), (ANSWER,)),
        Kind("refused by the router", (closed.raw("ada"),), ()),
    )


def large_answer() -> tuple[bytes, ...]:
    """The small answer's head, and behind it as much JSON in chunks, cut where reads might end."""
    head = ANSWER[: ANSWER.index(b"\r\n\r\n") + 4]
    json = (b'["' + b"s" * (LARGE - 4) + b'"]')[:LARGE]
    chunks = [b"%x\r\n%b\r\n" % (CHUNK, json[at : at + CHUNK]) for at in range(0, LARGE, CHUNK)]
    whole = b"".join([head, *chunks, b"0\r\n\r\n"])
    return tuple(whole[at : at + PIECE] for at in range(0, len(whole), PIECE))


def configuration(folder: Path) -> Config:
    """The reference's rules with everything on, the access log in the folder."""
    file = folder / "routes.yaml"
    file.write_text(routes_yaml(folder, PORTS, port=8080), encoding="utf-8")
    return load_or_raise(file)


def serve(opened: Lane, served: Sequence[Kind], times: int) -> None:
    """Serves them in turn, so often."""
    pieces, turns = opened.serve_pieces, range(times)
    for _ in turns:
        for _name, request, answer in served:
            pieces(request, answer)


def play(opened: Lane, mark: Callable[[], object]) -> None:
    """Everything once for the interpreter to settle, then each kind and all of them, `mark` around each."""
    every = kinds()
    serve(opened, every, REPETITIONS)
    gc.collect()
    gc.freeze()
    gc.disable()
    for each in [*([kind] for kind in every), every]:
        mark()
        serve(opened, each, REPETITIONS)
    mark()


def main(folder: Path) -> None:
    """Serves the script."""
    with lane(configuration(folder)) as opened:
        play(opened, os.ctermid)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
