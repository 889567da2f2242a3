"""What tests found out, printed at the end of the suite: a pytest plugin with the fixture `tally`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

EVIDENCE, TALLY, LOSSES, CONFORMANCE = "evidence", "tally", "losses", "conformance"
HEADINGS = {
    EVIDENCE: "which process served what, by Synapse's own logs",
    TALLY: "the shipped table",
    CONFORMANCE: "the router with an imported nginx.conf, against a real nginx with the same file",
    LOSSES: "who lost what to kills and to SIGTERM",
}
"""By the name of a test's property, what stands over the texts of all tests that have it."""


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Call it with text that whoever reads the suite's output should see."""
    properties = request.node.user_properties
    return lambda text: properties.append((TALLY, text))


@pytest.fixture
def losses(request: pytest.FixtureRequest) -> Callable[[list[str]], None]:
    """The same for lines that say who lost what."""
    properties = request.node.user_properties
    return lambda lines: properties.append((LOSSES, "\n".join([*lines, ""])))


@pytest.fixture
def conformance(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """The same for figures of a comparison with nginx."""
    properties = request.node.user_properties
    return lambda text: properties.append((CONFORMANCE, text))


class _Printer:
    """Runs where the suite is reported, whichever process ran the tests."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {name: [] for name in HEADINGS}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            for name, value in report.user_properties:
                if name in self._texts:
                    self._texts[name].append(str(value))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for name, texts in self._texts.items():
            if texts:
                terminalreporter.write_sep("=", HEADINGS[name])
            for text in texts:
                terminalreporter.write_line(text)


def pytest_configure(config: pytest.Config) -> None:
    """Prints what all tests found out at the end."""
    config.pluginmanager.register(_Printer(), "tally-printer")
