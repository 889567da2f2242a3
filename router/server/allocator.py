"""What the C library does with freed memory: some is kept, where giving it back costs more than it frees."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3

KEPT = 4 << 20
"""Bytes at the end of the heap that stay with the process once they are free."""

LARGEST = 1 << 20
"""Bytes of one block that is still taken from the heap."""


def keep_freed_memory() -> bool:
    """Keeps up to `KEPT` bytes for the next read; whether the C library can be told so (glibc can).

    A read of a large body is a block of 256 KB. By default (mallopt(3)) glibc returns it to the kernel as
    soon as its bytes are sent on, and each of its 63 pages faults when the next one is read: that was half
    of what a large body cost.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_TRIM_THRESHOLD, KEPT)) and bool(mallopt(M_MMAP_THRESHOLD, LARGEST))
