from __future__ import annotations

from pathlib import Path

from matplotlib.patches import Rectangle

from benchmarks import plots
from benchmarks.figures import rows
from benchmarks.scenarios import SCENARIOS, SMALL
from tests.benchmarks.test_figures import ROUNDS

FILES = ["cpu.png", "cpu.svg", "targets.png", "targets.svg"]
MEASURED = [(scenario, rows(ROUNDS)) for scenario in SCENARIOS[:4]]


def test_the_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
        assert plots.write(MEASURED, folder) == FILES
    for name in FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_bars_are_user_and_system_of_each_contender() -> None:
    figure = plots.cpu(MEASURED)
    small, _, _, media, *_ = figure.axes
    assert small.get_title(loc="left") == SMALL.title
    widths = [bar.get_width() for bar in small.patches if isinstance(bar, Rectangle)]
    assert [round(width, 6) for width in widths] == [22.5, 15.0, 7.5, 5.0]
    assert media.get_xlabel() == "µs per MiB"


def test_without_a_target_there_is_one_picture(tmp_path: Path) -> None:
    assert plots.write([(SCENARIOS[1], rows(ROUNDS))], tmp_path) == ["cpu.png", "cpu.svg"]


def test_without_figures_there_is_none(tmp_path: Path) -> None:
    assert plots.write([], tmp_path) == []
