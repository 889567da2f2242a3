"""What tests counted, printed at the end of the suite: a pytest plugin with the fixture `tally`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PROPERTY = "tally"


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Call it with text that whoever reads the suite's output should see."""
    properties = request.node.user_properties
    return lambda text: properties.append((PROPERTY, text))


class _Printer:
    """Runs where the suite is reported, whichever process ran the tests."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self._texts += [str(value) for name, value in report.user_properties if name == PROPERTY]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._texts:
            terminalreporter.write_sep("=", "the shipped table")
            for text in self._texts:
                terminalreporter.write_line(text)


def pytest_configure(config: pytest.Config) -> None:
    """Prints the tallies of all tests at the end."""
    config.pluginmanager.register(_Printer(), "tally-printer")
