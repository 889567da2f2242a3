"""Defects planted in the router: each is one that a target finds by the inputs that it begins with."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from router.errors import DownstreamError
from router.http1 import requests
from router.proxy import headers
from router.proxy.admission import read_head
from router.proxy.connection import ClientConnection
from router.request import RequestHead
from router.settings import Limits
from router.upstream.connection import UpstreamConnection
from tests import real_haproxy, real_nginx
from tests.fuzz.engine import Target
from tests.fuzz.inputs import with_kept
from tests.fuzz.targets import TARGETS

SEEDS = 100
ASKING_OTHERS = (pytest.mark.nginx, pytest.mark.xdist_group("nginx"))

Plant = Callable[[pytest.MonkeyPatch], None]


def a_refused_head_is_passed_over(patch: pytest.MonkeyPatch) -> None:
    read_message = ClientConnection._read_message

    def pass_over(self: ClientConnection, buffer: bytes) -> requests.RequestMessage | None:
        end = buffer.find(b"\r\n\r\n") + 4
        try:
            if end > 3:
                read_head(buffer[:end], client="", limits=Limits())
        except DownstreamError:
            self._buffer = buffer[end:]
            return pass_over(self, self._buffer) if self._buffer else None
        return read_message(self, buffer)

    patch.setattr(ClientConnection, "_read_message", pass_over)


def connection_takes_the_length_away(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(headers, "NEVER_NOMINATED", frozenset({b"host"}))


def any_coding_is_chunked(patch: pytest.MonkeyPatch) -> None:
    def framing(message: requests.RequestMessage, fields: dict[bytes, bytes]) -> None:
        message.chunked = b"transfer-encoding" in fields
        message.content_length = int(fields.get(b"content-length", b"-1"))

    patch.setattr(requests, "_framing", framing)


def a_cut_answer_ends_in_order(patch: pytest.MonkeyPatch) -> None:
    def abort(self: ClientConnection) -> None:
        self._closing = True
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()

    patch.setattr(ClientConnection, "abort", abort)


def what_follows_an_answer_is_kept(patch: pytest.MonkeyPatch) -> None:
    end = UpstreamConnection._end
    patch.setattr(UpstreamConnection, "_end", lambda self, sink, **_: end(self, sink, excess=False))
    read = UpstreamConnection.data_received

    def received(self: UpstreamConnection, data: bytes) -> None:
        if self._sink is None:
            self._buffer += data
        else:
            read(self, data)

    patch.setattr(UpstreamConnection, "data_received", received)


def a_path_is_decoded_twice(patch: pytest.MonkeyPatch) -> None:
    once = vars(RequestHead)["normalised"].fget
    patch.setattr(RequestHead, "normalised", property(lambda self: once(self).replace(b"%2F", b"/")))


PLANTED = (
    ("client-connection", a_refused_head_is_passed_over),
    ("client-connection", connection_takes_the_length_away),
    ("client-connection", any_coding_is_chunked),
    ("client-connection", a_cut_answer_ends_in_order),
    ("worker-answers", a_cut_answer_ends_in_order),
    ("worker-answers", what_follows_an_answer_is_kept),
    ("targets", a_path_is_decoded_twice),
    *(
        pytest.param("against-nginx-and-haproxy", plant, marks=ASKING_OTHERS)
        for plant in (connection_takes_the_length_away, any_coding_is_chunked)
    ),
)


@pytest.mark.pure
@pytest.mark.parametrize(("target", "plant"), PLANTED)
def test_a_planted_defect_is_found(monkeypatch: pytest.MonkeyPatch, target: str, plant: Plant) -> None:
    tried = with_kept(TARGETS[target])
    if tried.needs:
        real_nginx.program()
        real_haproxy.program()
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        try_all(tried)


def try_all(target: Target) -> None:
    for seed in range(1 if target.needs else SEEDS):
        for data in target.corpus:
            target.check(data, Random(seed))
