from __future__ import annotations

import subprocess
import sys
from random import Random

import pytest

from tests.fuzz.engine import Defect, Target, fuzz, mutate, pieces, run_once
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_second_of_each_target(name: str) -> None:
    assert fuzz(TARGETS[name], seed=1, seconds=1) > 0


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_corpus_itself_holds(name: str) -> None:
    for data in TARGETS[name].corpus:
        TARGETS[name].check(data, Random(1))


def no_percent(data: bytes, random: Random) -> None:
    assert random.randrange(2) in (0, 1)
    if b"%" in data:
        raise ValueError("a percent sign")


PLANTED = Target(name="planted", corpus=(b"some text to begin with",), parts=(b"a", b"%"), check=no_percent)


def test_finds_a_planted_defect_shrinks_it_and_says_how_to_make_it_again() -> None:
    with pytest.raises(Defect, match="--target planted --seed 7 --run") as caught:
        fuzz(PLANTED, seed=7, seconds=30)
    assert caught.value.data == b"%"
    run = int(str(caught.value).rpartition(" ")[2])
    with pytest.raises(Defect) as again:
        run_once(PLANTED, seed=7, run=run)
    assert str(again.value) == str(caught.value)


def test_the_same_seed_makes_the_same_input_and_another_one_another() -> None:
    inputs = [[mutate(PLANTED, Random(f"{seed} {run}")) for run in range(50)] for seed in (1, 1, 2)]
    assert inputs[0] == inputs[1] != inputs[2]


def test_pieces_are_the_same_bytes() -> None:
    lists = [pieces(b"abcdefgh", Random(seed)) for seed in range(100)]
    assert {b"".join(one) for one in lists} == {b"abcdefgh"}
    assert len({len(one) for one in lists}) > 5


def test_the_command_prints_its_seed_and_ends_in_time() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--seconds", "0.1", "--target", "chunks", "--seed", "5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith("chunks: seed 5\nchunks: ")
    assert done.stdout.endswith("inputs, no defect\n")
