from __future__ import annotations

import re
from collections import Counter

import pytest

from benchmarks.handler_proxy import HandlerProxy
from benchmarks.mix import MIX, requests
from benchmarks.reference import UPSTREAMS, Ports, free_ports, rules
from router.http1.requests import end_of_request_head, parse_request
from router.settings import Limits


def test_there_are_71_rules() -> None:
    assert len(rules()) == 71
    assert {rule.upstream for rule in rules()} <= UPSTREAMS.keys()
    for rule in rules():
        re.compile(rule.pattern)


def test_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20
    ports = Ports.free()
    assert len(set(ports.all())) == 5
    assert {port for name in UPSTREAMS for port in ports.of(name)} == set(ports.all())


@pytest.mark.parametrize("raw", requests()[:9], ids=lambda raw: raw.partition(b" HTTP")[0].decode()[:50])
def test_every_request_is_whole(raw: bytes) -> None:
    end = end_of_request_head(raw, 0, Limits())
    message = parse_request(raw[:end], Limits())
    assert len(raw) - end == max(message.content_length, 0)
    assert b"\0" not in raw


def test_the_mix_goes_to_every_upstream() -> None:
    proxy = HandlerProxy({})
    paths = [request.path.format(user="ada").partition("?")[0] for request in MIX]
    assert Counter(map(proxy.upstream, paths)) == {
        "generic-worker": 4,
        "receipts": 2,
        "generic-worker-user": 1,
        "synapse": 1,
    }
