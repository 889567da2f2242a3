from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from router.app import Application, serve
from router.config.loader import load_bytes, load_or_raise
from router.settings import Config
from tests.wire import Peer

FILE = """
listen: 127.0.0.1:{port}
admin: unix:{folder}/admin.sock
access_log: '{log}'
upstreams:
  main: {{endpoints: [127.0.0.1:8008, 127.0.0.1:8009]}}
  other: {{endpoints: [127.0.0.1:8009]}}
routes:
  - {{name: a, path: [^/a, ^/b], upstream: main}}
  - {{name: rest, path: ^/, upstream: other}}
"""


def _config(folder: Path, *, port: int = 0, log: str = "off") -> Config:
    loaded = load_bytes(FILE.format(folder=folder, port=port, log=log).encode(), file="r.yaml")
    assert loaded.config is not None, loaded.findings
    return loaded.config


async def test_the_ready_line_counts_routes_endpoints_and_those_down(tmp_path: Path) -> None:
    config = _config(tmp_path)
    application = Application(config, loop=asyncio.get_running_loop())
    application.states.mark_down(config.table.upstreams["other"].endpoints[0], "refused")

    words = dict(word.split("=", 1) for word in application.ready_line().split()[1:])

    assert words["config"] == f"r.yaml@{config.digest}"
    assert (words["routes"], words["patterns"], words["upstreams"]) == ("3", "4", "2")
    assert (words["endpoints"], words["down"]) == ("1/2", "127.0.0.1:8009")
    assert words["admin"] == f"unix:{tmp_path}/admin.sock"
    assert words.keys() >= {"listen", "version", "took"}


async def test_a_listener_that_redirects_serves_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(
        "listen: [127.0.0.1:0, {address: '[::1]:0', redirect: 'https://$host$request_uri'}]\n"
        "access_log: off\n"
        "upstreams: {main: {endpoints: [127.0.0.1:1]}}\nroutes: [{name: all, path: '^/', upstream: main}]\n"
    )
    application = Application(load_or_raise(file), loop=asyncio.get_running_loop())
    loop = asyncio.get_running_loop()
    table, redirect = [await loop.create_server(each, "127.0.0.1", 0) for each in application.servers]
    try:
        for listener, target, answer in (
            (table, b"/a?", b" 50"),
            (table, b"/_synapse/admin/v1/x", b" 404 "),
            (redirect, b"/a?", b"\r\nLocation: https://h.example/a?\r\n"),
            (redirect, b"/_synapse/admin/v1/x", b" 404 "),
        ):
            with socket.create_connection(listener.sockets[0].getsockname()) as sock:
                client = Peer(sock)
                await client.send(b"GET %b HTTP/1.1\r\nHost: h.example:80\r\n\r\n" % target)
                assert answer in await client.until()
    finally:
        table.close()
        redirect.close()
        application.pool.close()
        await application.names.close()
    assert application.metrics.routes.keys() == {"all", "redirect", "none"}


def test_an_address_in_use_ends_it_with_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serve(_config(tmp_path, port=port)) == 1
    said = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "Traceback" not in said


def test_a_log_that_cannot_be_opened_ends_it_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "no" / "such" / "folder" / "access.log"
    assert serve(_config(tmp_path, log=str(missing))) == 1
    said = capsys.readouterr().err
    assert str(missing) in said
    assert "Traceback" not in said
