"""Synapse's request log, line by line and through restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.synapse_log import ProcessLog, Served

TIME = "2026-11-23 13:10:16,155"
TAIL = '"Python/3.11 aiohttp/3.14.5" [9 dbevts]'
COST = "0.124sec/-0.001sec ru=(0.022sec, 0.006sec) db=(0.029sec/0.037sec/39)"


def access(
    line: str, *, who: str = "None", status: str = "200", site: str = "8101", ident: str = "GET-2"
) -> str:
    return (
        f"{TIME} INFO synapse.access.http.{site}:643 {ident} 127.0.0.1 - {site} - {{{who}}} "
        f'Processed request: {COST} 7802B {status} "{line} HTTP/1.1" {TAIL}\n'
    )


def unrecognized(*, site: str = "8101", ident: str = "GET-2", status: int = 404) -> str:
    return (
        f"{TIME} INFO synapse.http.server:132 {ident} <XForwardedForRequest at 0x7f186d8fd690 method='POST' "
        f"uri='/_matrix/client/v3/logout' clientproto='HTTP/1.1' site='{site}'> "
        f"SynapseError: {status} - Unrecognized request\n"
    )


class Written:
    """A process's log file, and the reader that was there when the process had started."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "generic1.log"
        self.file.write_text("before\n" + access("GET /_matrix/before"), encoding="utf-8")
        self.log = ProcessLog("generic1", self.file, {"8101": "client", "9101": "replication"})

    def append(self, text: str) -> None:
        with self.file.open("a", encoding="utf-8") as file:
            file.write(text)

    def restart(self) -> None:
        self.file.replace(self.file.with_name("generic1.log.1"))
        self.file.write_text("", encoding="utf-8")

    def targets(self) -> list[str]:
        return [served.target for served in self.log.read()]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


def test_a_request_with_all_that_is_known_of_it(written: Written) -> None:
    written.append(access("GET /_matrix/client/v3/sync?since=s10_2&timeout=0", who="@bo:localhost"))
    assert written.log.read() == [
        Served(
            process="generic1",
            listener="client",
            user="@bo:localhost",
            method="GET",
            target="/_matrix/client/v3/sync?since=&timeout=",
            status=200,
        )
    ]
    assert written.log.read() == []


def test_a_token_in_the_query_is_not_kept(written: Written) -> None:
    written.append(access("GET /_matrix/client/v3/sync?access_token=syt_secret&a=1"))
    assert written.targets() == ["/_matrix/client/v3/sync?access_token=&a="]


@pytest.mark.parametrize(
    ("who", "user"),
    [
        ("None", None),
        ("@bo:localhost", "@bo:localhost"),
        ("@admin:localhost|@bo:localhost", "@admin:localhost"),
    ],
)
def test_who_asked(written: Written, who: str, user: str | None) -> None:
    written.append(access("GET /_matrix/client/v3/sync", who=who))
    assert [served.user for served in written.log.read()] == [user]


def test_a_client_that_left_before_the_end(written: Written) -> None:
    written.append(access("GET /_matrix/client/v3/sync", status="200!"))
    assert [(served.status, served.cut) for served in written.log.read()] == [(200, True)]


def test_the_listener_that_took_it(written: Written) -> None:
    written.append(access("POST /_synapse/replication/send_events/x", site="9101"))
    written.append(access("GET /_matrix/of/another/process", site="8102"))
    assert [served.listener for served in written.log.read()] == ["replication"]


@pytest.mark.parametrize("status", [404, 405])
def test_an_endpoint_that_the_process_does_not_know(written: Written, status: int) -> None:
    written.append(access("GET /_matrix/a", status="404", ident="GET-1"))
    written.append(unrecognized(status=status) + access("POST /_matrix/b", status=str(status)))
    written.append(access("GET /_matrix/c", status="404", ident="GET-3"))
    assert [served.unrecognized for served in written.log.read()] == [False, True, False]


@pytest.mark.parametrize(
    "other", [unrecognized(ident="GET-3"), unrecognized(site="9101"), unrecognized(status=403)]
)
def test_another_requests_error_is_not_this_ones(written: Written, other: str) -> None:
    written.append(other + access("GET /_matrix/a", status="404"))
    assert [served.unrecognized for served in written.log.read()] == [False]


def test_a_line_that_is_still_being_written(written: Written) -> None:
    line = access("GET /_matrix/a")
    written.append(line[:150])
    assert written.targets() == []
    written.append(line[150:] + line[:20])
    assert written.targets() == ["/_matrix/a"]


def test_a_restart_between_two_reads(written: Written) -> None:
    written.append(access("GET /_matrix/a"))
    assert written.targets() == ["/_matrix/a"]
    written.append(access("GET /_matrix/b"))
    written.restart()
    written.append(access("GET /_matrix/c"))
    assert written.targets() == ["/_matrix/b", "/_matrix/c"]
    written.append(access("GET /_matrix/d"))
    assert written.targets() == ["/_matrix/d"]


def test_a_log_that_begins_later(tmp_path: Path) -> None:
    log = ProcessLog("generic1", tmp_path / "generic1.log", {"8101": "client"})
    assert log.read() == []
    (tmp_path / "generic1.log").write_text(access("GET /_matrix/a"), encoding="utf-8")
    assert [served.target for served in log.read()] == ["/_matrix/a"]


@pytest.mark.parametrize(
    ("target", "shape"),
    [
        (
            "/_matrix/client/v3/rooms/!a:b/send/m.room.message/aeba3317",
            "/_matrix/client/v3/rooms/*/send/m.room.message/*",
        ),
        ("/_matrix/client/v3/rooms/%21a/state/m.room.name/", "/_matrix/client/v3/rooms/*/state/m.room.name/"),
        (
            "/_matrix/client/v1/media/download/localhost/EUabcDEFghiJKLmnoPQRstuv",
            "/_matrix/client/v1/media/download/localhost/*",
        ),
        (
            "/_matrix/client/v3/sendToDevice/m.room.encrypted/1-2",
            "/_matrix/client/v3/sendToDevice/m.room.encrypted/*",
        ),
        ("/_matrix/client/v3/user/@al:b/filter/3?x=", "/_matrix/client/v3/user/*/filter/*"),
        ("/_matrix/client/r0/devices/QWERTY", "/_matrix/client/r0/devices/*"),
    ],
)
def test_ids_are_cut_from_the_shape(target: str, shape: str) -> None:
    served = Served(process="p", listener="client", user=None, method="GET", target=target, status=200)
    assert served.shape == f"GET {shape}"
