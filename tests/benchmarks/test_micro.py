from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.inmemory import lane
from benchmarks.instructions import singles
from benchmarks.micro import bed, deciding, parts
from benchmarks.micro.__main__ import CASES, time_of, timed_table
from benchmarks.micro.cases import Call, Case, each_of
from benchmarks.micro.results import Timed, read, timed
from benchmarks.mix import MIX
from benchmarks.proxies import routes_yaml
from benchmarks.reference import Ports
from router.config.loader import load_or_raise


def test_a_lane_carries_every_request_of_the_mix(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(routes_yaml(tmp_path, Ports.free(), 41000))
    with lane(load_or_raise(file)) as opened:
        records = [opened.record_of(request.raw("ada")) for request in MIX]
    assert [record.status for record in records] == [200] * len(MIX)
    assert [record.bytes_in for record in records] == [len(request.body) for request in MIX]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_can_be_called(case: Case) -> None:
    call = case.make()
    call()
    call()


def test_names_differ() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_a_policy_that_hashes_has_a_key_to_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "MIX", [MIX[0], MIX[0]])  # a request without a room in its path
    with pytest.raises(RuntimeError, match="room: the request has no key"):
        deciding.choose("consistent hash by room")


def test_loop_and_matcher_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding.OrderedLoop, "first", lambda *_: -1)
    with pytest.raises(RuntimeError, match="differ over"):
        deciding.ask("reference table", deciding.MIXED, deciding.LOOP)


def test_the_loop_asks_methods_and_query_too() -> None:
    table = bed.shipped().table
    loop = deciding.OrderedLoop(table)
    sync = MIX[0]
    assert table.routes[loop.first(bed.head_of(sync))].name == "sync"
    initial = bed.head_of(sync._replace(path="/_matrix/client/v3/sync"))
    assert table.routes[loop.first(initial)].name == "initial_sync"


def test_a_field_of_a_head_can_be_another() -> None:
    head = bed.head_of(MIX[0], Authorization="Bearer x")
    assert head.header(b"authorization") == b"Bearer x"
    assert head.header(b"host") == b"matrix.example.org"


def test_parts_and_rest_add_up_to_the_whole() -> None:
    figures = {name: float(number) for number, name in enumerate(parts.PARTS)} | {parts.WHOLE: 100.0}
    told = parts.with_rest(figures)
    assert list(told) == [*parts.PARTS, parts.REST, parts.WHOLE]
    assert sum(told.values()) == 200
    assert parts.PARTS[-1] == "access log"


def test_one_call_is_for_all_items() -> None:
    seen: list[int] = []
    each_of(seen.append, [1, 2])()
    each_of(seen.append, [3])()
    assert seen == [1, 2, 3]


def test_a_case_is_made_once_and_called_as_often_as_asked() -> None:
    made: list[int] = []

    def make() -> Call:
        made.append(0)
        return lambda: made.append(1)

    taken = time_of(Case("x", make))
    assert taken(3) >= 0
    assert taken(2) >= 0
    assert made == [0, 1, 1, 1, 1, 1]


def test_marks_stand_around_the_calls_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "freeze", lambda: None)
    played: list[str] = []

    def make(name: str) -> Call:
        played.append(f"make {name}")
        return lambda: played.append(name)

    cases = [Case("a", lambda: make("a")), Case("b", lambda: make("b"))]
    singles.play(cases, lambda: played.append("|"))
    often = singles.REPETITIONS
    assert "".join(played) == "".join(f"make {each}{each * often}|{each * often}|" for each in "ab")


def test_figures_are_medians() -> None:
    assert timed((1e-6, 2e-6, 9e-6)) == pytest.approx((2.0, 1.0))
    assert timed_table({"x": Timed(2.0, 1.0)}).splitlines()[-1] == "| x | 2.00 | 1.00 |"


def test_pyperf_runs_what_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "micro.json"
    command = [sys.executable, "-m", "benchmarks.micro", "--only", "policy: single", "--output", str(file)]
    ended = subprocess.run(
        [*command, "--processes", "1", "--values", "2", "--min-time", "0.001"],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    figures = read(file)
    assert list(figures) == ["policy: single"]
    assert 0.01 < figures["policy: single"].median < 100
    assert "| policy: single |" in ended.stdout
