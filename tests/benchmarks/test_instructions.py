from __future__ import annotations

import dataclasses
import gc
import sys
from pathlib import Path

import pytest

from benchmarks.inmemory import lane
from benchmarks.instructions import callgrind, script
from benchmarks.instructions.__main__ import judge
from benchmarks.instructions.build import (
    LOCK,
    Build,
    configured,
    optimised,
    this_build,
)
from benchmarks.instructions.calls import calls
from benchmarks.instructions.record import KEPT, Record, compare, find, load, renewed, save
from router.modules import COMPILED, PURE, VARIABLE, running
from tests.absence import server_program

BUILD = Build(
    python="cpython 3.11.7",
    compiler="GCC 12.2.0",
    options="--enable-shared",
    optimisation="-O3",
    machine="x86_64",
    libc="glibc 2.36",
    modules=PURE,
    lock="0123456789abcdef",
)


def test_each_kind_is_served_as_it_says(tmp_path: Path) -> None:
    with lane(script.configuration(tmp_path)) as opened:
        records = {
            kind.name: opened.record_while(lambda kind=kind: script.serve(opened, [kind], 1))  # type: ignore[misc]
            for kind in script.kinds()
        }
    refused = records.pop("refused by the router")
    assert (refused.status, refused.endpoint) == (404, None)
    assert {record.status for record in records.values()} == {200}
    assert all(record.endpoint is not None for record in records.values())
    assert records["64 KiB answer in pieces"].bytes_out > script.LARGE
    assert records["16 KiB body in two pieces"].bytes_in == script.UPLOAD


def test_pieces_end_inside_of_chunks_and_bodies() -> None:
    kinds = {kind.name: kind for kind in script.kinds()}
    large = kinds["64 KiB answer in pieces"].answer
    assert len(large) == 5
    assert not any(piece.endswith(b"\r\n") for piece in large[:-1])
    first, second = kinds["16 KiB body in two pieces"].request
    assert len(second) == script.UPLOAD // 2
    assert len(first) - first.index(b"\r\n\r\n") - 4 == script.UPLOAD // 2


def test_a_lane_refuses_what_is_not_as_the_script_says(tmp_path: Path) -> None:
    kinds = script.kinds()
    asked, refused = kinds[0], kinds[-1]
    with lane(script.configuration(tmp_path)) as opened:
        with pytest.raises(RuntimeError, match="no worker was asked"):
            opened.serve_pieces(refused.request, asked.answer)
        with pytest.raises(RuntimeError, match="a worker was asked"):
            opened.serve_pieces(asked.request, refused.answer)


def test_marks_stand_around_each_kind_and_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "REPETITIONS", 2)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(gc, "disable", lambda: None)
    served = [0]
    with lane(script.configuration(tmp_path)) as opened:
        context = opened.application.context

        class Counting:
            def begin(self, _: object) -> None: ...

            def finish(self, _: object) -> None:
                served[-1] += 1

        context.observer = Counting()
        script.play(opened, lambda: served.append(0))
    number = len(script.kinds())
    assert served == [2 * number, *[2] * number, 2 * number, 0]


def test_callgrind_counts_from_one_mark_to_the_next(tmp_path: Path) -> None:
    server_program("valgrind", "valgrind")
    program = tmp_path / "program.py"
    turns = "for _ in range({}): pass\nos.ctermid()\n"
    program.write_text("import os\nos.ctermid()\n" + "".join(map(turns.format, (1_000, 21_000, 41_000))))
    dumps = callgrind.run([sys.executable, "-I", "-S", str(program)], tmp_path)
    assert len(dumps) == 5
    short, middle, long = map(callgrind.total, dumps[1:4])
    assert long - middle == pytest.approx(middle - short, rel=0.01)
    spent = callgrind.functions(dumps[3].read_text().splitlines())
    assert sum(each.instructions for each in spent) == long
    assert spent[0].instructions > 0.1 * long
    assert "python" in spent[0].shared_object


def test_what_fails_under_valgrind_is_told(tmp_path: Path) -> None:
    server_program("valgrind", "valgrind")
    with pytest.raises(callgrind.CountFailed, match="ended with 3"):
        callgrind.run([sys.executable, "-I", "-S", "-c", "raise SystemExit(3)"], tmp_path)


def test_without_valgrind_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(callgrind.CountFailed, match="not installed"):
        callgrind.run(["true"], tmp_path)


def test_what_was_called_is_not_counted_with_its_caller() -> None:
    dump = """\
ob=/usr/lib/libpython3.11.so.1.0
fl=???
fn=eval
0 100
cob=/usr/lib/libc.so.6
cfn=memcpy
calls=3 0
0 900
0 20

ob=/usr/lib/libc.so.6
fn=memcpy
0 900
ob=/usr/lib/libpython3.11.so.1.0
fn=eval'2
0 5

totals: 1025
"""
    assert callgrind.functions(dump.splitlines()) == [
        (900, "memcpy", "libc.so.6"),
        (125, "eval", "libpython3.11.so.1.0"),
    ]


def test_nothing_of_the_caller_reaches_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = callgrind.environment(tmp_path)
    monkeypatch.setenv("SOMETHING", "x" * 1000)
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    assert callgrind.environment(tmp_path) == before
    assert before["PYTHONHASHSEED"] == "0"
    assert before[VARIABLE] == running().modules
    (home,) = before["PYTHONPATH"].split(":")
    assert Path(home).resolve() == LOCK.parent


def test_calls_are_counted(tmp_path: Path) -> None:
    kinds = script.kinds()
    with lane(script.configuration(tmp_path)) as opened:
        found = calls(opened, kinds)
    assert found["benchmarks/inmemory.py:Lane.serve_pieces"] == len(kinds)
    assert found["list.clear in benchmarks/inmemory.py:Lane.serve_pieces"] == 2 * len(kinds)


def test_a_build_is_this_one() -> None:
    build = this_build()
    assert build == this_build()
    assert build.python.endswith(".".join(map(str, sys.version_info[:3])))
    assert build.modules == running().modules
    assert len(build.lock) == 16


def test_another_lock_is_another_build_that_succeeds_it(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_bytes(LOCK.read_bytes() + b"\n")
    other = this_build(lock)
    assert other != this_build()
    assert other.succeeds(this_build())
    assert not dataclasses.replace(other, modules="other").succeeds(this_build())


def test_configured_leaves_folders_out() -> None:
    line = (
        "'--prefix=/opt/py' '--with-openssl=/opt/ssl' '--with-lto' '--enable-shared' 'CFLAGS=-g -O2' --host=x"
    )
    assert configured(line) == "--enable-shared --with-lto"
    assert configured("") == ""


def test_the_last_optimisation_counts() -> None:
    assert optimised("-DNDEBUG -g -O2 -Wall -O3 -fno-Ofoo") == "-O3"
    assert optimised("-g") == "-O0"


@pytest.mark.parametrize(
    ("now", "status"),
    [(1000, 0), (1049, 0), (951, 0), (1051, 1), (949, 1)],
)
def test_beyond_five_percent_is_an_error(
    now: int, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kept.json"
    save([Record(build=BUILD, taken="2026-01-01", per_request={"sync": 1000, "send": 1000})], file)
    assert judge(BUILD, {"sync": 1000, "send": now}, keep=False, file=file) == status
    assert ("off by more than 5%: send" in capsys.readouterr().out) is bool(status)


def test_a_kind_that_only_one_side_knows_is_not_near() -> None:
    changes = compare({"sync": 10, "gone": 10}, {"new": 10, "sync": 10})
    assert [(each.kind, each.is_near) for each in changes] == [
        ("new", False),
        ("sync", True),
        ("gone", False),
    ]


def test_an_unknown_build_is_only_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kept.json"
    assert judge(BUILD, {"sync": 1000}, keep=False, file=file) == 0
    assert "--record" in capsys.readouterr().out
    assert not file.exists()


def test_recording_takes_the_place_of_the_same_build(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    compiled = dataclasses.replace(BUILD, modules=COMPILED)
    updated = dataclasses.replace(BUILD, lock="fedcba9876543210")
    for build, number in ((BUILD, 1000), (compiled, 600), (updated, 900), (updated, 901)):
        assert judge(build, {"sync": number}, keep=True, file=file) == 0
    records = load(file)
    assert {each.build: each.per_request["sync"] for each in records} == {compiled: 600, updated: 901}
    assert find(records, BUILD) is None
    assert renewed(records, records[0]) == [records[1], records[0]]


def test_what_is_kept_knows_every_kind() -> None:
    names = [*(kind.name for kind in script.kinds()), script.ALL]
    records = load(KEPT)
    assert records
    for record in records:
        assert list(record.per_request) == names
