from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from router.local.asking import profiles
from router.local.asking.__main__ import registered_by
from router.local.asking.servlets import CLOSED, Servlet, registered


@pytest.fixture(scope="module")
def reference() -> dict[str, frozenset[Servlet]]:
    return registered_by(profiles.reference())


def has(servlets: frozenset[Servlet], method: str, pattern: str) -> bool:
    return any((servlet.method, servlet.pattern) == (method, pattern) for servlet in servlets)


LOGOUT = "^/_matrix/client/(api/v1|r0|v3|unstable)/logout$"
SYNC = "^/_matrix/client/(r0|v3|unstable)/sync$"
DELAYED = r"^/_matrix/client/unstable/org\.matrix\.msc4140/delayed_events/(?P<delay_id>[^/]+)$"


@pytest.mark.parametrize(
    ("method", "pattern", "processes"),
    [
        ("GET", SYNC, {"main", "generic1", "receipts_writer", "events_persister1"}),
        ("POST", LOGOUT, {"main"}),
        ("GET", DELAYED, {"main", "generic1", "receipts_writer", "events_persister1"}),
        ("POST", DELAYED, {"main"}),
        ("GET", "^/_matrix/federation/v1/version$", {"main", "generic1", "events_persister1"}),
        ("GET", "^/_matrix/key/v2/server(/(?P<key_id>[^/]*))?$", {"main", "generic1", "events_persister1"}),
        ("GET", "/_matrix/media/(r0|v3|v1)/config$", {"main"}),
        ("GET", "^/_matrix/static/(?P<file>.*)$", {"main"}),
        ("GET", "^/health$", {"main", "generic1", "receipts_writer", "events_persister1"}),
        ("GET", r"^/\.well-known/matrix/client$",
         {"main", "generic1", "receipts_writer", "events_persister1"}),
        ("POST", "^/_synapse/client/pick_username/account_details$",
         {"main", "generic1", "receipts_writer", "events_persister1"}),
        ("POST", SYNC, set()),
        ("GET", "^/$", {"main"}),
    ],
)  # fmt: skip
def test_each_process_registers_its_own(
    reference: dict[str, frozenset[Servlet]], method: str, pattern: str, processes: set[str]
) -> None:
    assert {name for name, servlets in reference.items() if has(servlets, method, pattern)} == processes


def test_what_the_guard_closes_is_left_out(reference: dict[str, frozenset[Servlet]]) -> None:
    for servlets in reference.values():
        assert not [s for s in servlets if any(prefix in s.pattern for prefix in CLOSED)]
    assert has(reference["main"], "GET", "^/_matrix/client/(api/v1|r0|v3|unstable)/admin/whois/"
               "(?P<user_id>[^/]*)$")  # fmt: skip


def test_a_file_that_synapse_refuses_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "homeserver.yaml"
    file.write_text("stream_writers: {typing: [nobody]}\n")

    with pytest.raises(subprocess.CalledProcessError):
        registered([[file]])

    assert "server_name" in capfd.readouterr().err
