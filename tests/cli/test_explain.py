from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.cli.explain import batch
from router.cli.main import main
from router.config.loader import load_bytes
from router.routing.snapshot import Snapshot

TABLE = """\
upstreams:
  main: {endpoints: [127.0.0.1:8008]}
  user:
    policy: consistent_hash
    key: user
    endpoints: [127.0.0.1:8101, 127.0.0.1:8102, 127.0.0.1:8103]
  ip: {policy: ip_hash, endpoints: [127.0.0.1:8101, 127.0.0.1:8102]}
routes:
  - {name: initial, path: '^/_matrix/client/v3/sync$', query: {since: absent}, upstream: main}
  - {name: sync, path: '^/_matrix/client/v3/sync$', upstream: user}
  - {name: gone, path: '^/gone$', refuse: {status: 410, errcode: M_GONE, error: Gone}}
  - {name: keys, path: '^/_matrix/key/', upstream: ip}
  - {name: rest, path: '^/_matrix/', upstream: main}
"""
TOKEN = "syt_YWxpY2U_xyzxyzxyz_1a2b3c"
SYNC = "/_matrix/client/v3/sync?since=s1"


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "routes.yaml"
    file.write_text(TABLE, encoding="utf-8")
    return file


@pytest.mark.usefixtures("table")
class TestOne:
    """One request on the command line."""

    def test_says_route_upstream_endpoint_and_key(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["explain", "GET", SYNC, "-H", f"Authorization: Bearer {TOKEN}"]) == 0
        out = capsys.readouterr().out
        for words in (
            "initial",
            "routes.yaml:9",
            "> sync",
            "routes.yaml:10",
            f"crc32 {crc32(b'YWxpY2U'):08x}",
            "127.0.0.1:8101",
            "127.0.0.1:8102",
            "127.0.0.1:8103",
            "<- chosen",
        ):
            assert words in out
        assert TOKEN not in out
        assert "YWxpY2U" not in out

    def test_as_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        target = f"{SYNC}&access_token={TOKEN}"
        assert main(["explain", "GET", target, "--json"]) == 0
        out = capsys.readouterr().out
        answer = json.loads(out)
        assert (answer["route"], answer["source"], answer["upstream"]) == ("sync", "routes.yaml:10", "user")
        assert answer["key"]["crc32"] == f"{crc32(b'YWxpY2U'):08x}"
        assert answer["endpoint"] == answer["candidates"][0]["endpoint"]
        assert all(candidate["up"] for candidate in answer["candidates"])
        assert TOKEN not in out
        assert "YWxpY2U" not in out

    def test_without_a_token_there_is_no_key(self, capsys: pytest.CaptureFixture[str]) -> None:
        main(["explain", "GET", SYNC])
        assert "no key" in capsys.readouterr().out

    def test_as_one_argument(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["explain", f"GET {SYNC}"]) == 0
        one = capsys.readouterr().out
        main(["explain", "GET", SYNC])
        assert capsys.readouterr().out == one

    def test_the_client_address_is_hashed(self, capsys: pytest.CaptureFixture[str]) -> None:
        endpoints = set()
        for octet in range(8):
            main(["explain", "GET", "/_matrix/key/v2", "--client", f"10.0.{octet}.1", "--json"])
            endpoints.add(json.loads(capsys.readouterr().out)["endpoint"])
        assert len(endpoints) == 2

    @pytest.mark.parametrize(
        ("peer", "client", "named_by"),
        [
            ("10.0.0.2", "203.0.113.7", "10.0.0.2"),
            ("10.0.0.3", "10.0.0.3", None),
            ("", "203.0.113.7", ""),
        ],
    )
    def test_the_client_is_the_one_that_a_trusted_proxy_names(
        self, table: Path, capsys: pytest.CaptureFixture[str], peer: str, client: str, named_by: str | None
    ) -> None:
        table.write_text(f"{TABLE}trusted_proxies: [10.0.0.2, unix]\n", encoding="utf-8")
        asked = ["explain", "GET", "/_matrix/key/v2"]
        chain = ["-H", "X-Forwarded-For: 1.1.1.1, 203.0.113.7", "--client", peer]
        main([*asked, *chain, "--json"])
        told = json.loads(capsys.readouterr().out)
        assert (told["client"], told["named_by"]) == (client, named_by)
        main([*asked, "--client", client, "--json"])
        assert json.loads(capsys.readouterr().out)["key"] == told["key"]
        main([*asked, *chain])
        lines = capsys.readouterr().out.splitlines()
        said = "  client      203.0.113.7, by X-Forwarded-For from"
        assert [line.rpartition(" ")[0] for line in lines if "X-Forwarded" in line] == (
            [] if named_by is None else [said if named_by else f"{said} the unix"]
        )

    @pytest.mark.parametrize(
        ("method", "target", "status", "reason"),
        [
            ("GET", "/gone", 410, "route"),
            ("GET", "/nowhere", 404, "unmatched"),
            ("GET", "/_synapse/admin/v1/users", 404, "guard"),
            ("GET", "/_matrix/..%2F..%2F_synapse/admin", 400, None),
            ("FETCH", "/_matrix/", 501, None),
            ("get", "/_matrix/", 501, None),
            ("CONNECT", "/_matrix/", 405, None),
            ("GET", "nowhere", 400, None),
            ("GET", "/a%zz", 400, None),
        ],
    )
    def test_refusals_are_decisions_too(
        self, method: str, target: str, status: int, reason: str | None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["explain", method, target, "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["refusal"]["status"] == status
        assert answer["endpoint"] is None
        assert reason is None or answer["reason"] == reason
        assert main(["explain", method, target]) == 0
        assert f"=> {status} " in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            (["Host: a b"], 400),
            (["Content-Length: 13107201"], 413),
            (["Content-Length: 1", "Content-Length: 1"], 400),
            (["Transfer-Encoding: gzip"], 400),
            (["X: " + "x" * 16_000], 431),
            (["X: 1"] * 100, 431),
            (["Expect: more"], 417),
        ],
    )
    def test_what_the_wire_refuses_is_refused(
        self, headers: list[str], status: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        options = [word for header in headers for word in ("-H", header)]
        assert main(["explain", "POST", "/_matrix/x", *options, "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert (answer["refusal"]["status"], answer["endpoint"]) == (status, None)

    def test_a_body_over_its_route_s_limit(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["explain", "POST", "/_matrix/x", "-H", "Content-Length: 13107201"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert "   > rest " in "\n".join(lines)
        assert lines[-2] == "5 limits      connect 5s | first byte 10m | body 12.5 MiB"
        assert lines[-1].startswith("=> 413 M_TOO_LARGE: ")
        assert lines[-1].endswith("(body_too_large)")

    def test_raw_bytes_in_the_target(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["explain", "GET", os.fsdecode(b"/a\xff")]) == 0
        out = capsys.readouterr().out
        assert "0xff" in out
        assert "=> 400" in out

    @pytest.mark.parametrize(
        "arguments",
        [[], ["GET"], ["GET", "/", "x"], ["--batch", "GET", "/"], ["GET", "/", "-c", "none.yaml"]],
    )
    def test_what_cannot_be_asked(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["explain", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err

    @pytest.mark.parametrize(
        "arguments",
        [
            ["-H", TOKEN],
            ["-H", f" : {TOKEN}"],
            ["-H", f"A: {TOKEN}\r\nB: c"],
            ["--client", "nowhere"],
            [f"--token={TOKEN}"],
        ],
    )
    def test_a_bad_option_never_shows_a_token(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            main(["explain", "GET", "/", *arguments])
        assert ended.value.code == 2
        captured = capsys.readouterr()
        assert TOKEN not in captured.out + captured.err

    def test_a_table_that_does_not_load(self, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
        table.write_text(TABLE + "gaurd: {}\n", encoding="utf-8")
        assert main(["explain", "GET", "/"]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "routes.yaml:14:1" in captured.err
        assert "did you mean `guard`?" in captured.err


LOADED = load_bytes(TABLE.encode())


def answers(content: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> list[bytes]:
    assert LOADED.config is not None
    out = io.BytesIO()
    snapshot = Snapshot.build(LOADED.config.table, LOADED.config.settings.guard)
    settings = LOADED.config.settings
    batch(snapshot, settings, io.BytesIO(content), out, headers=headers or [], client="127.0.0.1")
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"GET /_matrix/client/v3/sync", b"main"),
        (b"GET /_matrix/client/v3/sync?since=s1", b"user"),
        (b"OPTIONS /_matrix/key/x", b"ip"),
        (b"GET http://example.org/_matrix/key/x", b"ip"),
        (b"GET http://u@example.org/_matrix/key/x", b"-"),
        (b"GET /_matrix/" + b"x" * 8200, b"-"),
        (b"GET /gone", b"-"),
        (b"GET /nowhere", b"-"),
        (b"GET /_synapse/admin/x", b"-"),
        (b"GET /_matrix/\xff", b"-"),
        (b"GET /_matrix/%FF", b"main"),
        (b"G\xc3\x89T /_matrix/", b"-"),
        (b"GET  /_matrix/", b"-"),
        (b"GET /_matrix/ ", b"-"),
        (b"GET /_matrix/\r", b"-"),
        (b"GET", b"-"),
        (b"", b"-"),
    ],
)
def test_a_line_of_a_batch(line: bytes, answer: bytes) -> None:
    assert answers(line + b"\n" + b"GET /_matrix/x\n") == [answer, b"main"]


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ((b"host", b"a b"), b"-"),
        ((b"host", b"a"), b"main"),
        ((b"content-length", b"13107201"), b"-"),
        ((b"content-length", b"13107200"), b"main"),
        ((b"transfer-encoding", b"gzip"), b"-"),
    ],
)
def test_a_header_of_a_batch(header: tuple[bytes, bytes], answer: bytes) -> None:
    assert answers(b"GET /_matrix/x\n", [header]) == [answer]


def test_the_last_line_needs_no_end() -> None:
    assert answers(b"GET /_matrix/x") == [b"main"]
    assert answers(b"") == []


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b""))))
def test_one_line_out_for_each_line_in_whatever_is_in_it(lines: list[bytes]) -> None:
    assert len(answers(b"".join(line + b"\n" for line in lines))) == len(lines)


def test_a_batch_through_a_real_process(table: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "router", "explain", "--batch", "-c", str(table)],
        input=b"GET /_matrix/\xff\xfe\nGET /_matrix/key/x\n",
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"-\nip\n", b"")
