"""The engine, the campaign, and every target by its corpus."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests import real_haproxy, real_nginx
from tests.fuzz import campaign, inputs
from tests.fuzz.engine import Defect, Target, failure, fuzz, new_input, pieces, shrink, try_one
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]


ASKING_OTHERS = (pytest.mark.nginx, pytest.mark.xdist_group("nginx"))
EACH = [pytest.param(name, marks=ASKING_OTHERS if TARGETS[name].needs else ()) for name in sorted(TARGETS)]


@pytest.fixture
def _there(name: str) -> None:
    """Skips what asks nginx and HAProxy where they are not, and with CI=true fails."""
    if TARGETS[name].needs:
        real_nginx.program()
        real_haproxy.program()


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("_there")
@pytest.mark.parametrize("name", EACH)
def test_the_corpus_holds(name: str) -> None:
    target = inputs.with_kept(TARGETS[name])
    for data in target.corpus:
        cause = failure(target, data)
        assert cause is None, f"{data!r}: {cause!r}"


@pytest.mark.usefixtures("_there")
@pytest.mark.parametrize("name", EACH)
def test_a_second_of_each_target(name: str) -> None:
    assert fuzz(inputs.with_kept(TARGETS[name]), seed=1, seconds=1) > 0


def test_every_folder_of_the_corpus_is_of_a_target() -> None:
    assert {path.name for path in inputs.KEPT.iterdir()} <= TARGETS.keys()


def no_percent(data: bytes, random: Random) -> None:
    assert random.randrange(2) in (0, 1)
    if b"%" in data:
        raise ValueError("a percent sign")


PLANTED = Target(name="planted", corpus=(b"some text to begin with",), parts=(b"a", b"%"), check=no_percent)


def test_finds_a_planted_defect_and_shrinks_it() -> None:
    with pytest.raises(Defect, match="planted: ValueError: a percent sign\ninput: b'%'") as caught:
        fuzz(PLANTED, seed=7, seconds=30)
    assert caught.value.data == b"%"


def test_a_defect_is_a_matter_of_the_bytes_alone() -> None:
    def only_sometimes(data: bytes, random: Random) -> None:
        assert not data or random.randrange(3)

    target = Target(name="t", corpus=(), parts=(), check=only_sometimes)
    data = next(data for number in range(99) if failure(target, data := b"%d" % number))
    assert failure(target, data)
    assert not failure(target, b"")


def test_shrinking_keeps_to_the_kind_of_failure() -> None:
    def two_kinds(data: bytes, _: Random) -> None:
        if b"%%" in data:
            raise KeyError("two")
        no_percent(data, Random(1))

    target = Target(name="t", corpus=(), parts=(), check=two_kinds)
    assert shrink(target, b"some %% signs") == b"%%"


def test_a_failure_that_does_not_come_again_is_told() -> None:
    came: list[bytes] = []

    def once(data: bytes, _: Random) -> None:
        came.append(data)
        assert len(came) > 1

    with pytest.raises(RuntimeError, match="only now and then"):
        try_one(Target(name="t", corpus=(), parts=(), check=once), b"x")


def test_the_same_seed_makes_the_same_input_and_another_one_another() -> None:
    inputs = [[new_input(PLANTED, seed=seed, run=run) for run in range(50)] for seed in (1, 1, 2)]
    assert inputs[0] == inputs[1] != inputs[2]


def test_pieces_are_the_same_bytes() -> None:
    data = b"ab\r\n\r\ncdefgh"
    lists = [pieces(data, Random(seed)) for seed in range(100)]
    assert {b"".join(one) for one in lists} == {data}
    assert [b"ab\r\n\r\n", b"cdefgh"] in lists
    assert len({len(one) for one in lists}) > 5


@pytest.mark.pure
def test_minimising_keeps_what_reaches_something_new(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(inputs, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(inputs, "SCRATCH", tmp_path / "scratch")
    target = TARGETS["targets"]
    assert not any(b"%zz" in data for data in target.corpus)
    for data in (b"/some/path/with/%zz/in/it", b"/long/%zz", *target.corpus[:2]):
        inputs.write(tmp_path / "scratch" / "corpus" / target.name, data)
    assert inputs.minimise(target) == (2, 1)
    [kept] = inputs.kept(target)
    assert len(kept) < len(b"/long/%zz")
    assert inputs.with_kept(target).corpus == (*target.corpus, kept)


def test_a_finding_is_written_down_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(inputs, "ROOT", tmp_path)
    monkeypatch.setattr(inputs, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(inputs, "SCRATCH", tmp_path / "scratch")
    told = campaign.told(PLANTED, "what it was", b"%")
    [path] = (tmp_path / "scratch" / "findings" / "planted").iterdir()
    assert path.read_bytes() == b"%"
    again = f"again: python -m tests.fuzz --target planted --input {path.relative_to(tmp_path)}\n"
    assert told.startswith(f"a defect:\nwhat it was\n{again}")


def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=ROOT)


def test_one_input_is_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"5\r\nhello\r\n0\r\n\r\n")
    done = ask("--target", "chunks", "--input", str(file))
    assert (done.returncode, done.stdout) == (0, "chunks: 1 inputs, no defect\n")


@pytest.mark.timeout(120)
def test_the_command_prints_its_seed_and_ends_in_time() -> None:
    done = ask("--seconds", "1", "--target", "chunks", "--seed", "5", "--jobs", "2")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    assert lines[0].startswith("seed 5, ")
    assert sorted(line.partition(":")[0] for line in lines[1:]) == ["chunks"]
    assert all(line.endswith(", no defect") for line in lines[1:])
    if campaign.GUIDED:
        assert all(" edges, " in line for line in lines[1:])


def test_what_cannot_run_says_what_it_wants() -> None:
    target = Target(name="t", corpus=(), parts=(), check=no_percent, needs=("sh", "no-such-program"))
    words = "t: not run, without no-such-program (apt-get install no-such-program)"
    assert campaign.missing(target) == words
    assert campaign.missing(PLANTED) == ""


class Ended:
    """A process of a target that has ended already."""

    def __init__(self, returncode: int) -> None:
        self.returncode = returncode


@pytest.mark.parametrize(
    ("status", "left", "expected"),
    [
        (-9, {}, "the process ended with status -9"),
        (70, {".timeout-abc": b"slow"}, "the process ended with status 70, timeout\ninput: b'slow'"),
        (77, {"": b'{"text": "t: Bad", "data": "25", "runs": 3}'}, "t: Bad\nagain: python -m tests.fuzz"),
    ],
)
def test_however_a_process_ends_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, left: dict[str, bytes], expected: str
) -> None:
    for name in ("ROOT", "KEPT", "SCRATCH"):
        monkeypatch.setattr(inputs, name, tmp_path)
    running = campaign._Running.__new__(campaign._Running)
    running.target = PLANTED
    running._result = tmp_path / "planted.1"
    running._log = tmp_path / "planted.1.log"
    running._log.write_text("what it said")
    running.child = Ended(status)  # type: ignore[assignment]  # only its status is read
    for suffix, data in left.items():
        Path(f"{running._result}{suffix}").write_bytes(data)
    outcome = running.outcome()
    assert expected in campaign.line(outcome)
    assert not list(tmp_path.glob("planted.1*"))
