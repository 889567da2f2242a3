"""Freed memory is kept: in a process of its own, since it is never given back."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from router.server.allocator import KEPT, LARGEST
from tests.absence import absent

READ = 256_000
"""Bytes that uvloop reads at once."""

FAULTS = """
import resource
from router.server.allocator import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def read_on(rounds):
    before = faults()
    for _ in range(rounds):
        piece = bytes(received)
        sent = piece + b"head"
        del piece, sent
    return faults() - before

received = bytearray({size})
told = {told} and keep_freed_memory()
read_on(10)
print(told, read_on(100))
"""


@pytest.fixture
def glibc() -> None:
    """Debian's C library, which CI has: others cannot be told anything."""
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        absent("the C library has no mallopt")


def read_on(*, told: bool) -> tuple[str, int]:
    """Whether it took the advice, and the page faults of 100 reads that are passed on."""
    program = FAULTS.format(size=READ, told=told)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    took, faults = ended.stdout.split()
    return took, int(faults)


@pytest.mark.usefixtures("glibc")
def test_large_reads_take_no_new_pages_from_the_kernel() -> None:
    took, faults = read_on(told=True)
    assert took == "True"
    assert faults < 100


@pytest.mark.usefixtures("glibc")
def test_without_it_each_would() -> None:
    _, faults = read_on(told=False)
    assert faults > 100 * 10


def test_what_is_kept_holds_a_read_and_is_less_than_a_large_body_may_take() -> None:
    assert READ < LARGEST < KEPT <= 8 << 20
