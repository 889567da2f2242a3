"""Which functions one request calls, Python's and C's, as the interpreter tells it: no valgrind needed."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType

import router
from benchmarks.inmemory import Lane
from benchmarks.instructions.script import Kind, serve

HOME = str(Path(router.__path__[0]).parent)


def calls(opened: Lane, served: Sequence[Kind]) -> Counter[str]:
    """How often each function is called while each kind is served once; compiled modules tell nothing.

    A Python function is `router/…:name`, one in C `name in caller`.
    """
    serve(opened, served, 3)
    return while_called(lambda: serve(opened, served, 1))


def while_called(call: Callable[[], object]) -> Counter[str]:
    """What that calls."""
    found: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            found[place(frame.f_code)] += 1
        elif event == "c_call":
            name = getattr(argument, "__qualname__", str(argument))
            found[f"{name} in {place(frame.f_code)}"] += 1

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return found


def place(code: CodeType) -> str:
    """The function, by its file from the project's folder on."""
    return f"{code.co_filename.removeprefix(HOME).lstrip('/')}:{code.co_qualname}"
