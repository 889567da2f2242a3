"""What single calls cost: deciding against an ordered loop of `re`, and each part of one request."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from benchmarks.inmemory import ANSWER, Lane, lane
from benchmarks.mix import MIX, Request
from router.errors import BadResponse
from router.http1.chunks import ChunkScanner
from router.http1.requests import RequestMessage, end_of_request_head, parse_request
from router.http1.responses import end_of_response_head, parse_response
from router.proxy.headers import request_head, response_head
from router.proxy.record import ExchangeRecord
from router.request import RequestHead
from router.routing.decision import decide
from router.routing.query import find_parameter
from router.routing.snapshot import Snapshot
from router.settings import Config
from router.table import Presence, RouteTable
from router.upstream.state import EndpointStates

Call = Callable[[], object]
Item = TypeVar("Item")

CLIENT = "127.0.0.1"

ROUNDS = 9
"""Every call is timed that often, in turns; the fastest counts, since only disturbance makes it slower."""

PARTS = (
    "find the end of the head",
    "read the head",
    "RequestHead",
    "decide",
    "write the worker's head",
    "read the answer's head",
    "write the client's head",
    "walk the chunks",
    "metrics",
    "access log",
)
REST = "connections, exchange, pool, deadlines"
WHOLE = "whole request without sockets"


class Deciding(NamedTuple):
    """Microseconds per call for one path."""

    path: str
    loop: float
    match: float
    decide: float


def per_call(calls: Mapping[str, Call], *, seconds: float) -> dict[str, float]:
    """Microseconds of CPU that each call takes; `seconds` is for all of them together."""
    share = seconds / (ROUNDS * len(calls))
    numbers = {name: _number(call, share) for name, call in calls.items()}
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            best[name] = min(best[name], _time(call, numbers[name]) / numbers[name])
    return {name: each * 1e6 for name, each in best.items()}


def _number(call: Call, seconds: float) -> int:
    """How often it can be called in that time."""
    call()
    number = 1
    while (taken := _time(call, number)) < seconds / 4:
        number *= 2
    return max(1, round(number * seconds / taken))


def _time(call: Call, number: int) -> float:
    turns = range(number)
    start = time.process_time()
    for _ in turns:
        call()
    return time.process_time() - start


def deciding(table: RouteTable, *, seconds: float) -> list[Deciding]:
    """An ordered loop, the matcher and `decide`: the first and the last route, the mix, a long path."""
    snapshot = Snapshot.build(table)
    view = EndpointStates(time.time)
    loop = OrderedLoop(table)
    paths: dict[str, list[RequestHead]] = {
        "best: the first routes (sync)": [head_of(MIX[0])],
        "worst: the last route (logout)": [head_of(Request("logout", "POST", "/_matrix/client/v3/logout"))],
        "the mix, mean of 8": [head_of(request) for request in MIX],
        "hostile: 8 KiB": [head_of(Request("", "GET", "/_matrix/client/v3/rooms/" + "/x/context" * 800))],
    }
    calls: dict[str, Call] = {}
    for name, heads in paths.items():
        for head in heads:
            if loop.first(head) != snapshot.matcher.first(head):
                raise RuntimeError(f"loop and matcher differ over {head.path!r}")
        calls[f"{name}/loop"] = _each(loop.first, heads)
        calls[f"{name}/match"] = _each(snapshot.matcher.first, heads)
        calls[f"{name}/decide"] = _each(lambda head: decide(snapshot, head, view), heads)
    took = per_call(calls, seconds=seconds)
    return [
        Deciding(name, *(took[f"{name}/{way}"] / len(heads) for way in ("loop", "match", "decide")))
        for name, heads in paths.items()
    ]


def head_of(request: Request) -> RequestHead:
    """What `decide` is given for it."""
    raw = request.raw("ada")
    fields = [line.split(b": ", 1) for line in raw.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]]
    headers = [(name.lower(), value) for name, value in fields]
    target = raw.split(b" ", 2)[1]
    return RequestHead(method=request.method, target=target, headers=headers, client=CLIENT)


def _each(call: Callable[[Item], object], items: Sequence[Item]) -> Call:
    if len(items) == 1:
        (item,) = items
        return lambda: call(item)

    def all_of_them() -> None:
        for item in items:
            call(item)

    return all_of_them


class OrderedLoop:
    """What one writes first: every pattern compiled with `re`, asked one after another."""

    def __init__(self, table: RouteTable) -> None:
        self._routes = [
            (
                re.compile(route.pattern.text.encode("latin-1")).search,
                route.methods,
                [(each.name.encode(), each.presence is Presence.PRESENT) for each in route.query],
            )
            for route in table.routes
        ]

    def first(self, head: RequestHead) -> int:
        """The index of the first route that takes the request; the mix has no OPTIONS and no HEAD."""
        for index, (search, methods, query) in enumerate(self._routes):
            if search(head.path) and (methods is None or head.method in methods):
                for name, present in query:
                    if (find_parameter(head.query, name) is not None) is not present:
                        break
                else:
                    return index
        raise RuntimeError("the last route takes everything")


def parts(config: Config, *, seconds: float) -> dict[str, float]:
    """Microseconds of each part of one request, the mean of the mix; `REST` is what `WHOLE` has besides."""
    with lane(config) as opened:
        requests = [request.raw("ada") for request in MIX]
        calls = _parts(opened, requests)
        calls[WHOLE] = _each(opened.serve, requests)
        took = {name: each / len(requests) for name, each in per_call(calls, seconds=seconds).items()}
    rest = took[WHOLE] - sum(took[name] for name in PARTS)
    return {**{name: took[name] for name in PARTS}, REST: rest, WHOLE: took[WHOLE]}


def _parts(opened: Lane, requests: list[bytes]) -> dict[str, Call]:
    """Each part for every request of the mix, on what the part before it has made."""
    application = opened.application
    limits = application.config.settings.limits
    snapshot, states = application.context.snapshot, application.states
    metrics, log = application.metrics, application.access_log
    heads = [raw[: raw.index(b"\r\n\r\n") + 4] for raw in requests]
    messages = [parse_request(head, limits) for head in heads]
    records = [opened.record_of(raw) for raw in requests]
    decided = [record.head for record in records if record.head is not None]
    answer_head = ANSWER[: ANSWER.index(b"\r\n\r\n") + 4]
    answer, body = parse_response(answer_head, "GET"), ANSWER[len(answer_head) :]

    def request_of(message: RequestMessage) -> RequestHead:
        return RequestHead(
            method=message.method,
            target=message.target,
            headers=message.headers,
            fields=message.fields,
            client=CLIENT,
        )

    def read_answer(_: bytes) -> None:
        end_of_response_head(ANSWER, 0)
        parse_response(answer_head, "GET")

    def count(record: ExchangeRecord) -> None:
        metrics.begin(record)
        metrics.finish(record)

    calls: tuple[Call, ...] = (
        _each(lambda raw: end_of_request_head(raw, 0, limits), requests),
        _each(lambda head: parse_request(head, limits), heads),
        _each(request_of, messages),
        _each(lambda head: decide(snapshot, head, states), decided),
        _each(lambda each: request_head(each, target=each.target, client=CLIENT, scheme=b"http"), messages),
        _each(read_answer, requests),
        _each(lambda _: response_head(answer, close=False, unchunk=False), requests),
        _each(lambda _: ChunkScanner(BadResponse).feed(body), requests),
        _each(count, records),
        _each(lambda record: log.record(record, 1.7e9), records),
    )
    return dict(zip(PARTS, calls, strict=True))
