"""Targets for Synapse's own files: whatever is in them, they are read as PyYAML reads them or refused."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from random import Random

import yaml

from router.errors import Source
from router.synapse.deployment import Pointer, read_deployment
from router.synapse.document import NotReadable, Value, parse
from tests.fuzz.engine import Target
from tests.synapse.files import HOMESERVER, PERSISTER, WORKER

PARTS = (
    *(b"&a ", b"*a", b"<<: ", b"!!int ", b"!x ", b"|\n", b">-\n", b"---\n", b"? ", b": ", b"- ", b"[", b"]"),
    *(b"{", b"}", b"'", b'"', b"\\", b"#", b"\n", b"  ", b"\t", b"~", b"on", b"0", b"-1", b"0x1F", b"1_0"),
    *(b"22:22", b".5", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xc2\x85", b"path: /run/x.sock", b"path: x"),
    *(b"port: ", b"type: manhole", b"type: metrics", b"names: [replication]", b"bind_addresses: ", b"'::'"),
    *(b"bind_address: ", b"manhole: 9000\n", b"metrics_port: 9101\n", b"bind_port: 8448\n"),
    *(b"worker_replication_port: 1\n", b"instance_map: "),
)
HERE = Source(file="routes.yaml", line=1)


def check_values(data: bytes, random: Random) -> None:
    """No exception but NotReadable, and the values are PyYAML's."""
    assert random is not None
    try:
        ours = parse(data, file="f")
    except NotReadable:
        return
    _compare(ours, data)


def check_deployment(data: bytes, random: Random) -> None:
    """No exception: what is not understood is told, with a place, and what is closed too."""
    file = Path(_folder().name) / "f.yaml"
    file.write_bytes(data)
    pointers = [Pointer(path=file, source=HERE)]
    read = read_deployment(*random.choice([(pointers, []), ([], pointers)]))
    assert all(problem.source and problem.fix for problem in read.problems)
    assert all(f"({file}:" in listener.reason for listener in read.closed)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def _compare(ours: Value | None, data: bytes) -> None:
    try:
        theirs = yaml.safe_load(data.decode("utf-8"))
    except (yaml.YAMLError, ValueError, LookupError, TypeError):
        return  # a date that is none, a tag or a key that only Synapse's loader minds
    assert _alike(ours, theirs), (ours, theirs)


def _alike(ours: Value | None, theirs: object) -> bool:
    """Where both have the same types: keys that are no text and dates are not looked at."""
    content = None if ours is None else ours.content
    if isinstance(theirs, dict):
        keys = {key: value for key, value in theirs.items() if isinstance(key, str)}
        odd = {str(key) for key in theirs if not isinstance(key, str)}
        return isinstance(content, Mapping) and all(
            key in content and _alike(content[key], value) for key, value in keys.items() if not odd
        )
    if isinstance(theirs, list):
        items = content if isinstance(content, tuple) else ()
        return len(items) == len(theirs) and all(map(_alike, items, theirs))
    if theirs is None or isinstance(theirs, str | int | float):
        return repr(content) == repr(theirs)
    return True


CORPUS = tuple(
    text.encode()
    for text in (
        *("listeners:\n" + line for line in HOMESERVER.splitlines(keepends=True) if line.startswith("- ")),
        "instance_map:" + HOMESERVER.partition("instance_map:")[2],
        WORKER.partition("\n")[2],
        PERSISTER.partition("\n")[2],
        "x: &x {host: h, port: 7000}\ninstance_map: {a: *x, b: {<<: *x, port: 7001}}\n",
    )
)
TARGETS = (
    Target(name="synapse-yaml", corpus=CORPUS, parts=PARTS, check=check_values),
    Target(name="synapse-files", corpus=CORPUS, parts=PARTS, check=check_deployment),
)
