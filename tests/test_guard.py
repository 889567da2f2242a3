from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.errors import ProxyError, ReplicationExposed, Source
from router.guard import AMBIGUOUS, CLOSED, Guard, could_reach, resolve_by_system
from router.request import RequestHead
from router.settings import ClosedListener
from router.settings import Guard as GuardSettings
from router.table import Endpoint, TcpAddress, UnixAddress, parse_address, parse_endpoint_address
from tests.synapse_tree import reached

NAMES = {
    "db.example": ["10.0.0.5", "10.0.0.6"],
    "six.example": ["2001:db8::5", "::ffff:10.0.0.5"],
    "here.example": ["127.0.1.1"],
}


def resolve(host: str, port: int) -> Iterable[str]:
    """A name server that knows three hosts."""
    del port
    host = host.lower().rstrip(".")
    if host not in NAMES:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return NAMES[host]


def guard(
    *listed: str, ports: tuple[tuple[int, int], ...] = ((9000, 9999),), opened: Iterable[str] = ()
) -> Guard:
    return Guard(
        GuardSettings(
            replication_ports=ports,
            replication_addresses=tuple(parse_address(text) for text in listed),
            open_prefixes=frozenset(opened),
        ),
        resolve,
    )


@pytest.mark.parametrize("port", [9000, 9093, 9111, 9999])
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "localhost", "::1", "::ffff:127.0.0.1", "0.0.0.0", "10.9.8.7", "nowhere.example"],
)
def test_a_replication_port_counts_on_any_host(host: str, port: int) -> None:
    reason = guard().judge(TcpAddress(host=host, port=port))
    assert reason == "has a replication port (9000-9999)"


@pytest.mark.parametrize("port", [8008, 8101, 8999, 10000, 80])
def test_other_ports_do_not(port: int) -> None:
    assert guard().judge(TcpAddress(host="127.0.0.1", port=port)) is None


def test_the_file_may_name_other_ports() -> None:
    other = guard(ports=((18200, 18200), (18300, 18310)))
    assert other.judge(TcpAddress(host="h", port=9093)) is None
    assert other.judge(TcpAddress(host="h", port=18200)) == "has a replication port (18200)"
    assert other.judge(TcpAddress(host="h", port=18310)) == "has a replication port (18300-18310)"
    assert other.judge(TcpAddress(host="h", port=18311)) is None


LOOPBACK = [
    "127.0.0.1", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.53",
    "localhost", "LOCALHOST", "localhost.", "a.localhost", "here.example", "[::1]", "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "0", "[::]", "[::1%lo]",
]  # fmt: skip


@pytest.mark.parametrize("listed", ["127.0.0.1", "localhost", "[::1]", "127.1", "here.example"])
@pytest.mark.parametrize("written", LOOPBACK)
def test_loopback_is_one_host_in_every_spelling(listed: str, written: str) -> None:
    watching = guard(f"{listed}:18200")
    assert watching.judge(parse_address(f"{written}:18200")) == f"is the replication listener {listed}:18200"
    assert watching.judge(parse_address(f"{written}:18201")) is None


@pytest.mark.parametrize(
    ("written", "is_it"),
    [
        ("10.0.0.5", True),
        ("10.5", True),
        ("0x0a000005", True),
        ("[::ffff:10.0.0.5]", True),
        ("[::ffff:a00:5]", True),
        ("db.example", True),
        ("DB.example.", True),
        ("six.example", True),
        ("10.0.0.6", False),
        ("127.0.0.1", False),
        ("unknown.example", False),
        ("[2001:db8::5]", False),
    ],
)
def test_a_listed_address_in_every_spelling(written: str, *, is_it: bool) -> None:
    assert (guard("10.0.0.5:18200").judge(parse_address(f"{written}:18200")) is not None) is is_it


def test_a_listed_name_is_resolved_too_and_is_itself_when_it_cannot_be() -> None:
    by_name = guard("db.example:18200", "unknown.example:18201")
    assert by_name.judge(parse_address("10.0.0.6:18200")) is not None
    assert by_name.judge(parse_address("10.0.0.7:18200")) is None
    assert by_name.judge(parse_address("Unknown.Example.:18201")) is not None


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "[::]", "0"])
def test_a_listener_on_every_address_is_on_every_host(wildcard: str) -> None:
    everywhere = guard(f"{wildcard}:18200")
    assert everywhere.judge(parse_address("192.168.1.5:18200")) is not None
    assert everywhere.judge(parse_address("unknown.example:18200")) is not None
    assert everywhere.judge(parse_address("192.168.1.5:18201")) is None


def test_names_are_asked_for_only_where_they_matter() -> None:
    asked: list[str] = []

    def ask(host: str, port: int) -> Iterable[str]:
        asked.append(f"{host}:{port}")
        return []

    watching = Guard(GuardSettings(replication_addresses=(parse_address("10.0.0.5:18200"),)), ask)
    watching.judge(parse_address("worker.example:8101"))
    assert asked == []
    watching.judge(parse_address("worker.example:18200"))
    assert asked == ["worker.example:18200"]


def test_the_system_resolves_when_nothing_else_is_given() -> None:
    assert set(resolve_by_system("127.1", 18200)) == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("sockaddr", "is_it"),
    [
        (("127.0.0.1", 9093), True),
        (("::1", 9093, 0, 0), True),
        (("10.0.0.5", 18200), True),
        (("::ffff:10.0.0.5", 18200, 0, 0), True),
        (("10.0.0.6", 18200), False),
        (("2001:db8::1", 8101, 0, 0), False),
        (("fe80::1%eth0", 8101, 0, 2), False),
    ],
)
def test_what_a_socket_is_about_to_connect_to(sockaddr: tuple[str | int, ...], *, is_it: bool) -> None:
    assert (guard("10.0.0.5:18200").judge_sockaddr(sockaddr) is not None) is is_it


def test_a_name_that_moved_to_replication_after_it_was_judged_is_still_caught() -> None:
    watching = guard("10.0.0.5:18200")
    assert watching.judge(parse_address("later.example:18200")) is None
    assert watching.judge_sockaddr(("10.0.0.5", 18200)) is not None


def test_a_listener_that_is_closed_for_a_reason_is_refused_with_it() -> None:
    closed = (
        ClosedListener(
            address=parse_address("127.0.0.1:9093"), reason="is the replication listener of main (h:5)"
        ),
        ClosedListener(address=parse_address("10.0.0.5:19000"), reason="is the manhole listener of w (w:1)"),
        ClosedListener(address=parse_address("[::]:19100"), reason="is the metrics listener of w (w:2)"),
        ClosedListener(
            address=parse_address("unix:/run/w.sock"), reason="is the replication listener of w (w:3)"
        ),
    )
    watching = Guard(GuardSettings(closed=closed), resolve)
    expected = {
        "127.1:9093": "is the replication listener of main (h:5)",
        "10.0.0.5:9093": "has a replication port (9000-9999)",
        "db.example:19000": "is the manhole listener of w (w:1)",
        "10.0.0.6:19000": None,
        "10.0.0.6:19100": "is the metrics listener of w (w:2)",
        "unix:/run/../run/w.sock": "is the replication listener of w (w:3)",
        "unix:/run/v.sock": None,
    }
    assert {text: watching.judge(parse_address(text)) for text in expected} == expected


@pytest.mark.parametrize(
    ("address", "listener", "reaches"),
    [
        ("127.1:1", "[::1]:1", True),
        ("localhost:1", "0.0.0.0:1", True),
        ("0.0.0.0:1", "127.0.0.1:1", True),
        ("worker.example:1", "[::]:1", True),
        ("worker.example:1", "Worker.Example.:1", True),
        ("10.5:1", "10.0.0.5:1", True),
        ("127.0.0.1:1", "127.0.0.1:2", False),
        ("127.0.0.1:1", "10.0.0.5:1", False),
        ("0.0.0.0:1", "10.0.0.5:1", False),
        ("db.example:1", "10.0.0.5:1", False),
        ("unix:/run/../run/w", "unix:/run/w", True),
        ("unix:/run/v", "unix:/run/w", False),
        ("unix:/run/w\0", "unix:/run/w", False),
        ("unix:/run/w", "127.0.0.1:1", False),
        ("127.0.0.1:1", "unix:/run/w", False),
    ],
)
def test_an_address_and_a_listener_are_compared_without_asking_for_names(
    address: str, listener: str, *, reaches: bool
) -> None:
    assert could_reach(parse_address(address), parse_address(listener)) is reaches


def test_what_dns_finds_is_judged_by_what_is_known_before() -> None:
    watching = guard("10.0.0.5:18200")
    assert watching.judge(parse_endpoint_address("dns:worker.example:9093")) is not None
    assert watching.judge(parse_endpoint_address("dns:db.example:18200")) is not None
    assert watching.judge(parse_endpoint_address("dns:db.example:8008")) is None
    assert watching.judge(parse_endpoint_address("dns:_http._tcp.db.example")) is None


def test_a_target_of_a_service_is_judged_without_being_resolved() -> None:
    watching = guard("db.example:18200")
    assert watching.judge_sockaddr(("worker.example", 9093)) is not None
    assert watching.judge_sockaddr(("db.example", 18200)) is not None
    assert watching.judge_sockaddr(("worker.example", 18200)) is None


@pytest.fixture
def sockets(tmp_path: Path) -> Iterator[Path]:
    """A folder with a listening unix socket `w.sock` that is listed, and `free.sock` that is not."""
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as listed, socket.socket(socket.AF_UNIX) as free:
        listed.bind(str(tmp_path / "run" / "w.sock"))
        free.bind(str(tmp_path / "run" / "free.sock"))
        yield tmp_path


def test_a_unix_socket_by_path_link_folder_and_inode(sockets: Path) -> None:
    run = sockets / "run"
    (sockets / "link.sock").symlink_to(run / "w.sock")
    (sockets / "linked").symlink_to(run)
    os.link(run / "w.sock", sockets / "hard.sock")
    watching = guard(f"unix:{run}/w.sock")
    reached = [
        f"{run}/w.sock",
        f"{run}/../run/w.sock",
        f"{run}//./w.sock",
        f"{sockets}/link.sock",
        f"{sockets}/linked/w.sock",
        f"{sockets}/hard.sock",
        f"/proc/self/root{run}/w.sock",
    ]
    for path in reached:
        assert watching.judge(UnixAddress(path=path)) == f"is the replication listener unix:{run}/w.sock", (
            path
        )
        assert watching.judge_sockaddr(path) is not None
        assert watching.judge_sockaddr(os.fsencode(path)) is not None
    for path in (f"{run}/free.sock", f"{run}/not-there.sock"):
        assert watching.judge(UnixAddress(path=path)) is None


def test_a_listed_link_is_what_it_points_to(sockets: Path) -> None:
    (sockets / "link.sock").symlink_to(sockets / "run" / "w.sock")
    watching = guard(f"unix:{sockets}/link.sock", f"unix:{sockets}/gone.sock")
    assert watching.judge(UnixAddress(path=f"{sockets}/run/w.sock")) is not None
    assert watching.judge(UnixAddress(path=f"{sockets}/gone.sock")) is not None
    assert watching.judge(UnixAddress(path=f"{sockets}/run/free.sock")) is None


def test_a_socket_named_replication_is_one(tmp_path: Path) -> None:
    for name in ("main_replication.sock", "Replication", "replication.w1.sock"):
        assert guard().judge(UnixAddress(path=f"{tmp_path}/{name}")) is not None
    (tmp_path / "innocent.sock").symlink_to(tmp_path / "replication.sock")
    assert guard().judge(UnixAddress(path=f"{tmp_path}/innocent.sock")) is not None
    assert guard().judge(UnixAddress(path="/run/replication-of-mail/client.sock")) is None


def test_a_path_that_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert "cannot be followed" in (guard().judge(UnixAddress(path=f"{tmp_path}/a")) or "")
    assert "cannot be followed" in (guard().judge(UnixAddress(path="/run/w\0.sock")) or "")
    assert "cannot be followed" in (guard().judge_sockaddr(b"\0abstract") or "")


def test_an_exposed_endpoint_is_told_with_its_line_and_what_to_do() -> None:
    where = Source(file="routes.yaml", line=7)
    with pytest.raises(
        ReplicationExposed, match=r"routes\.yaml:7: .*127\.1:9093 has a replication port"
    ) as raised:
        guard().check(Endpoint(address=TcpAddress(host="127.1", port=9093), source=where))
    assert "client listener" in raised.value.hint
    guard().check(Endpoint(address=TcpAddress(host="127.1", port=8101), source=where))


def verdict(target: str | bytes, opened: Iterable[str] = ()) -> str:
    """What becomes of a path: `pass`, `closed`, `ambiguous`, or `head` where the head is refused."""
    try:
        head = RequestHead(method="GET", target=target.encode() if isinstance(target, str) else target)
    except ProxyError:
        return "head"
    refusal = guard(opened=opened).refuses(head)
    return {None: "pass", CLOSED: "closed", AMBIGUOUS: "ambiguous"}[refusal]


PATHS = {
    # closed, up to the border of a segment
    "/_synapse/admin": "closed",
    "/_synapse/admin/": "closed",
    "/_synapse/admin/v2/users?from=0": "closed",
    "/_synapse/admin/v1/%40a%3Ab": "closed",
    "/_synapse/mas/query_user": "closed",
    "/_synapse/replication": "closed",
    "/_synapse/replication/send_events/x": "closed",
    "http://matrix.example/_synapse/admin/x": "closed",
    "HTTP://matrix.example:443/_synapse/mas": "closed",
    # near misses: other places, and no resource of Synapse's
    "/_synapse/adminx": "pass",
    "/_synapse/client/pick_idp": "pass",
    "/_synapse/metrics": "pass",
    "/_SYNAPSE/admin/v2/users": "pass",
    "/_synapse/ADMIN/v2/users": "pass",
    "/_synapse": "pass",
    "/_synapse/": "pass",
    "/x/_synapse/admin": "pass",
    # one thing raw, another decoded segment by segment as Twisted does
    "/%5Fsynapse/admin/v2/users": "ambiguous",
    "/_synapse/%61dmin/v2/users": "ambiguous",
    "/_synapse/%6Das/query_user": "ambiguous",
    "/%5f%73ynapse/replication/x": "ambiguous",
    "/%5Fmatrix/client/versions": "ambiguous",
    "/_matrix/%63lient/versions": "ambiguous",
    "/%68ealth": "ambiguous",
    # one thing raw, another decoded and resolved as nginx does
    "/_synapse%2Fadmin/v2/users": "ambiguous",
    "/_synapse/admin%2Fv2/users": "ambiguous",
    "/_synapse/client/../admin/v2/users": "ambiguous",
    "/_synapse/client/%2e%2e/admin/v2/users": "ambiguous",
    "/_synapse/client/..%2Fadmin/v2/users": "ambiguous",
    "/_synapse/./admin": "ambiguous",
    "/_synapse//admin": "ambiguous",
    "//_synapse/admin": "ambiguous",
    "/./_synapse/admin": "ambiguous",
    "/x/../_synapse/admin": "ambiguous",
    "/_matrix/client/../../_synapse/admin/x": "ambiguous",
    "/_matrix/client/v3/rooms/..%2f..%2f..%2f..%2f_synapse%2fadmin": "ambiguous",
    "/_matrix/media/%2E%2E/client/versions": "ambiguous",
    "/_synapse/admin/v1/send_server_notice/..%2F..%2F..%2Fclient": "ambiguous",
    "/_synapse/admin/..%2Fclient": "ambiguous",
    "//_matrix/client/versions": "ambiguous",
    # twice encoded means nothing to either
    "/_synapse/%2561dmin/v2/users": "ambiguous",
    "/_synapse%252Fadmin": "pass",
    "/%252e%252e/_synapse/admin": "pass",
    # the head is refused before anything is asked
    "/../_synapse/admin": "head",
    "/_matrix/..%2f..%2f_synapse/admin": "head",
    "/_synapse/admin#": "head",
    "/_synapse/admin%00": "head",
    "http://a@b/_synapse/admin": "head",
    # ids as clients send them
    "/_matrix/client/v3/rooms/%21abc%3Aexample.org/send/m.room.message/m1.2": "pass",
    "/_matrix/client/v3/directory/room/%23a%2Fb%3Aexample.org": "pass",
    "/_matrix/client/v3/directory/room/%23..%2F..%3Aexample.org": "pass",
    "/_matrix/client/v3/directory/room/%23a%2F..%2Fb%3Aexample.org": "pass",
    "/_matrix/client/v3/rooms/!a:b/event/%24abc%2Fdef%2F": "pass",
    "/_matrix/client/v3/rooms/!a:b/state/m.room.member/@.a:b": "pass",
    "/_matrix/client/v3/user/%40a%2Ftags%3Ab/openid/request_token": "pass",
    "/_matrix/client/v3/rooms/!a:b/state/x/.": "pass",
    "/_matrix/client/v3/rooms//state": "pass",
    "/_matrix/federation/v1/event/$a%2Fb": "pass",
    "/_matrix/media/v3/download/example.org/a%2Fb/c..d": "pass",
    "/_matrix/key/v2/query/": "pass",
    "/_matrix/app/v1/x%2Fy": "pass",
    "/.well-known/matrix/client": "pass",
    "/health": "pass",
    "/healthz": "pass",
    "/": "pass",
}


@pytest.mark.parametrize(("target", "expected"), PATHS.items())
def test_paths(target: str, expected: str) -> None:
    assert verdict(target) == expected


def test_what_the_file_may_open() -> None:
    opened = ["/_synapse/admin", "/_synapse/replication"]
    assert verdict("/_synapse/admin/v2/users", opened) == "pass"
    assert verdict("/_synapse/mas/query_user", opened) == "closed"
    assert verdict("/_synapse/replication/x", opened) == "closed"
    assert verdict("/_synapse/client/..%2Fadmin", opened) == "ambiguous"


def test_answers_are_those_of_synapse_and_of_a_bad_request() -> None:
    assert (CLOSED.status, CLOSED.errcode) == (404, "M_UNRECOGNIZED")
    assert (AMBIGUOUS.status, AMBIGUOUS.errcode) == (400, "M_UNKNOWN")


PIECES = st.sampled_from(
    ["/", "_synapse", "admin", "mas", "replication", "client", "_matrix", "v3", "..", ".", "%2F", "%2E",
     "%5F", "%61dmin", "%6das", "%6D", "_SYNAPSE", "Admin", "x", ";", "%3B", "//", "%25", "%252F", "\\"]
)  # fmt: skip


@example(["_synapse", "/", "%6das", "/", "x"])
@example(["_SYNAPSE", "/", "admin"])
@given(st.lists(PIECES, max_size=10))
def test_no_path_that_passes_reaches_a_closed_resource_of_synapse(pieces: list[str]) -> None:
    target = "/" + "".join(pieces)
    if verdict(target) == "pass":
        assert reached(target.encode()) not in ("/_synapse/admin", "/_synapse/mas", "/_synapse/replication")
        assert not re.match("/_synapse/(admin|mas|replication)(/|$)", target)


def test_the_walk_does_reach_them_where_the_guard_says_so() -> None:
    assert reached(b"/_synapse/admin/v2/users") == "/_synapse/admin"
    assert reached(b"/_synapse/%6das/query_user") == "/_synapse/mas"
    assert reached(b"/_SYNAPSE/admin/v2/users") == ""
    assert reached(b"/_synapse/adminx") == ""
    assert reached(b"//_synapse/admin") == ""
