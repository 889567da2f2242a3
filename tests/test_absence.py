"""In CI nothing is skipped for want of something; elsewhere whoever runs the tests reads what it was."""

from __future__ import annotations

import pytest

from tests.absence import absent, need_root, server_program


@pytest.fixture(params=["true", ""], ids=["in CI", "elsewhere"])
def outcome(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[BaseException]:
    """What becomes of a test there."""
    monkeypatch.setenv("CI", request.param)
    return pytest.fail.Exception if request.param else pytest.skip.Exception


def test_what_is_absent(outcome: type[BaseException]) -> None:
    with pytest.raises(outcome, match="no moon tonight"):
        absent("no moon tonight")


def test_a_server_that_is_not_installed(outcome: type[BaseException]) -> None:
    with pytest.raises(outcome, match=r"nobody-has-it is not installed \(apt-get install package\)"):
        server_program("nobody-has-it", "package")


def test_who_is_not_root(outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(outcome, match="only root can do so"):
        need_root("do so")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    need_root("do so")
