from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from router.errors import LocalError, ProcessFailed
from router.local.processes import (
    Process,
    Program,
    describe_exit,
    package_folder,
    stop_all,
    wait_until_ready,
)
from tests.local.gone import Watch

Make = Callable[..., Process]

WAITS = "print('ready', flush=True); import time; time.sleep(1000)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes processes out of Python programs, each ready when it has said so."""
    made: list[Process] = []

    def new(source: str, *, name: str = "child") -> Process:
        log = tmp_path / f"{name}.log"
        process = Process(
            Program(
                name=name,
                command=(sys.executable, "-c", source),
                log=log,
                pid_file=tmp_path / f"{name}.pid",
                ready=lambda: "ready" in log.read_text(),
            )
        )
        made.append(process)
        return process

    yield new
    for process in made:
        process.kill()


def test_a_process_lives_from_start_to_stop(make: Make) -> None:
    process = make(WAITS)
    process.start()
    wait_until_ready([process])
    assert process.running
    assert process.exit_code is None
    watch = Watch(int(process.program.pid_file.read_text()))

    process.stop()

    assert watch.gone(within=0)
    watch.close()
    assert process.pid is None
    assert not process.program.pid_file.exists()


def test_a_process_can_be_started_again_and_keeps_the_log_before(make: Make) -> None:
    process = make(f"import os; print('pid', os.getpid()); {WAITS}")
    process.start()
    wait_until_ready([process])
    first = process.pid
    process.kill()
    process.start()
    wait_until_ready([process])

    assert process.pid != first
    assert f"pid {process.pid}" in process.program.log.read_text()
    assert f"pid {first}" in process.program.log.with_name("child.log.1").read_text()


def test_a_process_that_runs_is_not_started_twice(make: Make) -> None:
    process = make(WAITS)
    process.start()

    with pytest.raises(ProcessFailed, match="runs already"):
        process.start()


def test_one_that_can_not_start_shows_the_end_of_its_log(make: Make) -> None:
    fails = make("for n in range(40): print(f'line {n}.')\nraise SystemExit(3)", name="fails")
    waits = make("import time; time.sleep(1000)", name="waits")
    for process in (waits, fails):
        process.start()

    with pytest.raises(ProcessFailed) as caught:
        wait_until_ready([waits, fails])

    message = str(caught.value)
    assert message.startswith("fails ended with exit code 3. The end of ")
    assert str(fails.program.log) in message
    assert message.partition(":\n")[2].partition("  It alone: ")[0].split() == [
        word for n in range(25, 40) for word in ("line", f"{n}.")
    ]
    assert f"  It alone: {sys.executable} -c " in message


def test_what_is_waited_for_can_be_another_thing(make: Make) -> None:
    process = make("import time; time.sleep(1000)")
    process.start()
    seen: list[Process] = []

    def third_time(one: Process) -> bool:
        seen.append(one)
        return len(seen) == 3

    wait_until_ready([process], ready=third_time)

    assert seen == [process] * 3


def test_one_that_is_late_shows_the_end_of_its_log(make: Make) -> None:
    process = make("print('loading', flush=True); import time; time.sleep(1000)")
    process.start()

    with pytest.raises(ProcessFailed, match="child was not ready after 0 s"):
        wait_until_ready([process], patience=0)


def test_one_that_printed_nothing_says_so(make: Make) -> None:
    assert make("pass").log_end() == "    (nothing)"


def test_one_that_does_not_listen_to_sigterm_is_killed(make: Make) -> None:
    process = make(STUBBORN)
    process.start()
    wait_until_ready([process])
    assert process.pid is not None
    watch = Watch(process.pid)

    process.stop(patience=0.05)

    assert watch.gone(within=0)
    watch.close()


def test_all_are_stopped_at_once_stubborn_or_not_started(make: Make) -> None:
    processes = [make(WAITS, name="one"), make(STUBBORN, name="two"), make(WAITS, name="three")]
    for process in processes[:2]:
        process.start()
    wait_until_ready(processes[:2])

    stop_all(processes, patience=0.05)

    assert not any(process.running for process in processes)


def test_an_exit_code_is_put_into_words() -> None:
    assert describe_exit(1) == "ended with exit code 1"
    assert describe_exit(-signal.SIGKILL) == "was ended by SIGKILL"


def test_a_missing_package_is_named_with_what_installs_it() -> None:
    assert (package_folder("aiohttp") / "web.py").is_file()
    with pytest.raises(LocalError, match="no_such_package is not installed: `make setup`"):
        package_folder("no_such_package")
