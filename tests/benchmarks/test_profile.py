from __future__ import annotations

import pytest

from benchmarks.cpu import CpuTime
from benchmarks.profile import part_of, summarise

REPORT = """\
# Overhead|Shared Object|Symbol
#
    16.50%|libpython3.11.so.1.0|[.] _PyEval_EvalFrameDefault
    14.00%|[kernel.kallsyms]|[k] finish_task_switch.isra.0
     3.50%|libpython3.11.so.1.0|[.] bytes_split
     1.25%|parser.cpython-311-x86_64-linux-gnu.so|[.] llhttp__internal__run

""".splitlines()


def test_shares_are_added_up_by_part_largest_first() -> None:
    profile = summarise(REPORT, CpuTime(0.6, 0.4))
    assert list(profile.parts.items()) == [
        ("interpreter", 20.0),
        ("kernel", 14.0),
        ("llhttp (httptools)", 1.25),
    ]
    assert next(iter(profile.top.items())) == ("interpreter: _PyEval_EvalFrameDefault", 16.5)
    assert (profile.user_share, profile.system_share) == pytest.approx((60, 40))


def test_without_samples_only_the_split_is_told() -> None:
    profile = summarise([], CpuTime(0.0, 0.0), "perf is not installed")
    assert (profile.parts, profile.top, profile.note) == ({}, {}, "perf is not installed")
    assert profile.user_share == 0


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
        ("libc.so.6", "C library"),
        ("libcrypto.so.3", "other"),
    ],
)
def test_parts(shared_object: str, part: str) -> None:
    assert part_of(shared_object) == part
