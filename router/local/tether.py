"""Runs a command that dies with the process that started it; run as a program, by `router.local.processes`.

    python -I -S tether.py SIGNAL PARENT UID:GID|- COMMAND [ARGUMENT]...

The kernel sends SIGNAL to the command when its parent, the process PARENT, is gone, however it went:
prctl(2), PR_SET_PDEATHSIG. It is lost on a change of user, so the user comes first; it survives exec.

With UID:GID the command runs as that user, but keeps CAP_DAC_OVERRIDE: PostgreSQL refuses to run as
root, and root's folders (/root, pytest's temporary ones) are closed to all others. See capabilities(7).
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
LINUX_CAPABILITY_VERSION_3 = 0x20080522


def become(uid: int, gid: int) -> None:
    """Changes to the user for good; keeps, where root has it, the right to pass closed folders."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    bit = 1 << CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0)
    # Two blocks of effective, permitted, inheritable: capabilities 0-31 and 32-63.
    sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    # A container may have taken the capability away: then open folders still do.
    if libc.capset(header, sets) == 0:
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def main(arguments: list[str]) -> None:
    """Becomes the command; raises OSError if it cannot be run."""
    signal, parent, user, *command = arguments
    if user != "-":
        uid, gid = user.split(":")
        become(int(uid), int(gid))
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the parent is gone already")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
