from __future__ import annotations

import cProfile
import dataclasses
import pstats
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.instructions import script
from benchmarks.instructions.callgrind import Spent
from benchmarks.micro.__main__ import CASES
from benchmarks.micro.parts import WHOLE
from benchmarks.micro.results import Timed
from benchmarks.profile import functions
from benchmarks.profile.live import Live
from benchmarks.profile.page import PAGE, PageError, renewed, sections
from benchmarks.profile.perf import Sampled
from benchmarks.profile.record import RECORD, Profile, load, save, shares
from benchmarks.profile.syscalls import Tracer, is_traced, parse
from tests.absence import server_program

TABLE = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 89.95    1.463034       41800        35         4 futex
  5.21    0.084676          11      7083           write
  3.11    0.050542           7      7028           read
------ ----------- ----------- --------- --------- ----------------
100.00    1.626452          88     18400        31 total
"""

PROFILE = Profile(
    machine={"python": "3"},
    kinds={kind.name: 100 for kind in script.kinds()} | {script.ALL: 200},
    times={case.name: Timed(50.0 if case.name == WHOLE else 2.0, 0.1) for case in CASES},
    instructions={case.name: 5000 if case.name == WHOLE else 200 for case in CASES},
    live=Live(
        user=30.0,
        system=10.0,
        sampled=Sampled({"kernel": 40.0, "interpreter": 50.0}, {"kernel: tcp_ack": 2.0}, ""),
        syscalls={"write": 2.0, "futex": 0.001},
        untraced="",
    ),
    counted=Sampled({"interpreter": 80.0}, {"interpreter: eval": 35.0}, ""),
    functions=[functions.Function("router/x.py:y", 1.5, 4.0)],
)


def test_the_page_says_what_is_on_record() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert renewed(page, sections(load(RECORD))) == page


def test_the_record_has_every_case_and_kind() -> None:
    record = load(RECORD)
    assert list(record.kinds) == [*(kind.name for kind in script.kinds()), script.ALL]
    assert list(record.times) == [case.name for case in CASES]
    assert list(record.instructions) == [case.name for case in CASES]


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    save(PROFILE, tmp_path / "performance.json")
    assert load(tmp_path / "performance.json") == PROFILE


def test_sections_show_the_figures() -> None:
    found = sections(PROFILE)
    assert "| user | 30.0 | 75 |" in found["load"]
    assert found["system calls"].endswith("| write | 2.00 |")
    assert "| interpreter | 50.0 | 80.0 |" in found["shares"]
    assert "| kernel | 40.0 |  |" in found["shares"]
    assert "| decide | 2.00 | 4 | 200 | 4 |" in found["parts"]
    assert "| connections, exchange, pool, deadlines | 30.00 | 60 | 3,000 | 60 |" in found["parts"]
    assert f"| {script.ALL} | 200 | 100 % |" in found["kinds"]
    assert "| `router/x.py:y` | 1.50 | 4.0 |" in found["python functions"]
    assert "| reference table: the mix | 2.00 | 2.00 | 2.00 | 1.0 |" in found["deciding"]
    assert "| policy: ip_hash | 2.00 | 0.10 | 200 |" in found["single calls"]


def test_what_was_not_measured_is_told() -> None:
    bare = dataclasses.replace(
        PROFILE,
        live=None,
        kinds={},
        instructions={},
        counted=Sampled({}, {}, ""),
        missing={
            "load": "wrk is not installed",
            "system calls": "wrk is not installed",
            "samples": "wrk is not installed",
            "instructions": "valgrind is not installed",
        },
    )
    found = sections(bare)
    assert found["load"] == "Not measured: wrk is not installed."
    assert found["kinds"] == "Not measured: valgrind is not installed."
    assert "| decide | 2.00 | 4 |  |  |" in found["parts"]


def test_only_what_stands_between_markers_is_renewed() -> None:
    page = "A\n<!-- x: by make profile -->\nold\n<!-- /x -->\nB\n"
    once = renewed(page, {"x": r"new \1"})
    assert once == "A\n<!-- x: by make profile -->\n\nnew \\1\n\n<!-- /x -->\nB\n"
    assert renewed(once, {"x": r"new \1"}) == once
    with pytest.raises(PageError):
        renewed(page, {"x": "", "y": ""})
    with pytest.raises(PageError):
        renewed(page, {})


def test_instructions_are_shared_out_by_part() -> None:
    told = shares(
        [
            Spent(75, "eval", "libpython3.11.so.1.0"),
            Spent(20, "memcpy", "libc.so.6"),
            Spent(5, "eval", "python3"),
        ]
    )
    assert told.parts == {"interpreter": 80.0, "C library": 20.0}
    assert told.functions == {"interpreter: eval": 80.0, "C library: memcpy": 20.0}


def test_straces_table_is_read() -> None:
    assert parse(TABLE) == {"write": 7083, "read": 7028, "futex": 35}
    assert parse("strace: attach: ptrace: Operation not permitted\n") == {}


def test_system_calls_are_counted(tmp_path: Path) -> None:
    server_program("strace", "strace")
    program = "import os\nprint()\nwhile os.read(0, 1):\n  os.getppid()\n  os.write(1, b'x')"
    asked = subprocess.Popen(
        [sys.executable, "-u", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert asked.stdin is not None
    assert asked.stdout is not None
    try:
        asked.stdout.readline()
        tracer = Tracer(asked.pid, tmp_path / "strace")
        tracer.start()
        for _ in range(7):
            asked.stdin.write(b".")
            asked.stdout.read(1)
        traced = tracer.stop()
        until = time.monotonic() + 5
        while is_traced(asked.pid):
            assert time.monotonic() < until
    finally:
        asked.kill()
        asked.wait()
        asked.stdin.close()
        asked.stdout.close()
    if traced.calls:
        assert traced.calls["getppid"] == 7
    else:  # as in a container that lets nobody look
        assert traced.note == "strace may not look at processes here"


def test_without_strace_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    tracer = Tracer(1, tmp_path / "strace")
    tracer.start()
    assert tracer.stop() == ({}, "strace is not installed")


def test_functions_are_counted_for_one_request() -> None:
    found = functions.take(2)
    served = next(each for each in found if each.name == "benchmarks/inmemory.py:serve_pieces")
    assert served.calls == 1.0
    assert 0 < served.share < 60
    assert sum(each.share for each in found) == pytest.approx(100)


def test_functions_of_c_have_their_names() -> None:
    profiler = cProfile.Profile()
    profiler.runcall(lambda: [len("x") for _ in range(10)])
    found = {each.name: each.calls for each in functions.summarise(pstats.Stats(profiler), 5)}
    assert found["builtins.len"] == 2.0
