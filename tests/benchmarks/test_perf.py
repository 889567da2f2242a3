from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.profile.perf import Recorder, part_of, summarise

REPORT = """\
# Overhead|Shared Object|Symbol
#
    16.50%|libpython3.11.so.1.0|[.] _PyEval_EvalFrameDefault
    14.00%|[kernel.kallsyms]|[k] finish_task_switch.isra.0
     3.50%|libpython3.11.so.1.0|[.] bytes_split
     1.25%|parser.cpython-311-x86_64-linux-gnu.so|[.] llhttp__internal__run

""".splitlines()


def test_shares_are_added_up_by_part_largest_first() -> None:
    sampled = summarise(REPORT)
    assert list(sampled.parts.items()) == [
        ("interpreter", 20.0),
        ("kernel", 14.0),
        ("llhttp (httptools)", 1.25),
    ]
    assert next(iter(sampled.functions.items())) == ("interpreter: _PyEval_EvalFrameDefault", 16.5)


def test_a_process_is_sampled_until_the_end(tmp_path: Path) -> None:
    busy = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE
    )
    assert busy.stdout is not None
    try:
        busy.stdout.readline()
        recorder = Recorder(busy.pid, tmp_path / "perf.data")
        recorder.start()
        time.sleep(0.5)
        sampled = recorder.sampled()
    finally:
        busy.kill()
        busy.wait()
        busy.stdout.close()
    if sampled.note:  # not installed, or a kernel or a container that lets nobody look
        assert sampled.note.startswith("perf")
        assert not sampled.parts
    else:
        assert sampled.parts["interpreter"] > 50


def test_without_perf_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    recorder = Recorder(1, tmp_path / "perf.data")
    recorder.start()
    assert recorder.sampled() == ({}, {}, "perf is not installed")


@pytest.mark.parametrize(
    ("shared_object", "part"),
    [
        ("[kernel.kallsyms]", "kernel"),
        ("[vdso]", "C library"),
        ("python3.11", "interpreter"),
        ("libpython3.12.so.1.0", "interpreter"),
        ("parser.cpython-311-x86_64-linux-gnu.so", "llhttp (httptools)"),
        ("_http_parser.cpython-311-x86_64-linux-gnu.so", "other"),
        ("loop.cpython-311-x86_64-linux-gnu.so", "uvloop"),
        ("_re2.cpython-311-x86_64-linux-gnu.so", "RE2"),
        ("_bisect.cpython-311-x86_64-linux-gnu.so", "other"),
        ("3f2a__mypyc.cpython-311-x86_64-linux-gnu.so", "compiled modules"),
        ("libc.so.6", "C library"),
        ("libcrypto.so.3", "other"),
    ],
)
def test_parts(shared_object: str, part: str) -> None:
    assert part_of(shared_object) == part
