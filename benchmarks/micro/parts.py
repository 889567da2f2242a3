"""The parts of one request in memory, each on what the part before it has made, and the whole of it."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.inmemory import ANSWER
from benchmarks.micro import bed
from benchmarks.micro.cases import Call, Case, each_of
from benchmarks.mix import MIX
from router.errors import BadResponse
from router.http1.chunks import ChunkScanner, is_one_chunk
from router.http1.requests import RequestMessage, parse_request
from router.http1.responses import end_of_response_head, parse_response
from router.proxy.admission import take
from router.proxy.deadlines import Deadlines
from router.proxy.headers import answer_start, request_head
from router.proxy.record import ExchangeRecord
from router.routing.decision import decide

REST = "connections, exchange, pool, deadlines"
WHOLE = "whole request without sockets"

HEAD = bed.head_bytes(ANSWER)
BODY = ANSWER[len(HEAD) :]
LARGE = b"2000\r\n" + b"s" * 0x2000 + b"\r\n"
"""One of eight chunks of 64 KiB."""


def find_end() -> Call:
    """Where each head ends."""
    reader = bed.opened().application.context.reader
    return each_of(lambda raw: reader.end(raw, 0), bed.raw_mix())


def read_request() -> Call:
    """What each head says, of a client whose header fields have come before."""
    reader = bed.opened().application.context.reader
    return each_of(reader.read, [*map(bed.head_bytes, bed.raw_mix())])


def read_new_request() -> Call:
    """What each head says, of a client whose header fields are new."""
    return each_of(lambda head: parse_request(head, bed.LIMITS), [*map(bed.head_bytes, bed.raw_mix())])


def make_head() -> Call:
    """What of it decisions depend on."""
    return each_of(lambda message: take(message, bed.CLIENT, None), _messages())


def decide_each() -> Call:
    """Guard, matcher and balancer."""
    application = bed.opened().application
    snapshot, states = application.context.snapshot, application.states
    heads = [record.head for record in _records() if record.head is not None]
    return each_of(lambda head: decide(snapshot, head, states), heads)


def write_request() -> Call:
    """The head that a worker is sent."""
    return each_of(
        lambda each: request_head(each, target=each.target, client=bed.CLIENT, scheme=b"http"),
        _messages(),
    )


def read_answer() -> Call:
    """Where the answer's head ends, and what it says."""

    def read() -> None:
        end_of_response_head(ANSWER, 0)
        parse_response(HEAD, "GET")

    return read


def write_answer() -> Call:
    """What a client is sent of it."""
    answer = parse_response(HEAD, "GET")
    return lambda: answer_start(answer, ANSWER, close=False, unchunk=False, added=b"")


def walk_one_chunk() -> Call:
    """That the answer's body is one chunk and its end."""
    return lambda: is_one_chunk(ANSWER, len(HEAD))


def walk_chunks() -> Call:
    """To the end of the answer's body, as of one that comes in pieces."""
    return lambda: ChunkScanner(BadResponse).feed(BODY)


def walk_large_chunks() -> Call:
    """Eight pieces of 8 KiB, a chunk in each, and the last chunk."""

    def walk() -> None:
        scanner = ChunkScanner(BadResponse)
        for _ in range(8):
            scanner.feed(LARGE)
        scanner.feed(b"0\r\n\r\n")

    return walk


def count() -> Call:
    """The metrics of an exchange that begins and ends."""
    metrics = bed.opened().application.metrics

    def both(record: ExchangeRecord) -> None:
        metrics.begin(record)
        metrics.finish(record)

    return each_of(both, _records())


def log() -> Call:
    """Its line in the access log; of every 64th one, that all of them are written."""
    record = bed.opened().application.access_log.record
    return each_of(lambda each: record(each, 1.7e9), _records())


def arm() -> Call:
    """A deadline that is moved, as it is by every piece of a body."""

    class Timed:
        due = filed = 0

        def on_deadline(self) -> None:
            """Never, since nothing ticks."""

    deadlines, timed = Deadlines(), Timed()
    return lambda: deadlines.arm(timed, 60.0)


def whole() -> Call:
    """Everything from the client's bytes to the client's bytes."""
    return each_of(bed.opened().serve, bed.raw_mix())


def _messages() -> list[RequestMessage]:
    """The mix as read once it has been seen."""
    reader = bed.opened().application.context.reader
    for head in map(bed.head_bytes, bed.raw_mix()):
        reader.read(head)
    return [reader.read(bed.head_bytes(raw)) for raw in bed.raw_mix()]


def _records() -> list[ExchangeRecord]:
    return [*map(bed.opened().record_of, bed.raw_mix())]


def cases() -> list[Case]:
    """The parts in the order in which a request meets them, then all of it, then some by themselves."""
    mixed: dict[str, Callable[[], Call]] = {
        "find the end of the head": find_end,
        "read the head": read_request,
        "RequestHead": make_head,
        "decide": decide_each,
        "write the worker's head": write_request,
        "read the answer's head": read_answer,
        "write the client's head": write_answer,
        "walk the chunks": walk_one_chunk,
        "metrics": count,
        "access log": log,
        WHOLE: whole,
        "read a head with new fields": read_new_request,
        "walk a chunk that comes in pieces": walk_chunks,
        "walk the chunks of 64 KiB": walk_large_chunks,
        "move a deadline": arm,
    }
    one = {read_answer, write_answer, walk_one_chunk, walk_chunks, walk_large_chunks, arm}
    return [Case(name, make, 1 if make in one else len(MIX)) for name, make in mixed.items()]


PARTS = tuple(case.name for case in cases()[:10])
"""Those that `WHOLE` is made of, with `REST`."""


def with_rest(figures: dict[str, float]) -> dict[str, float]:
    """The parts, what they do not explain, and the whole, of figures that have all of them."""
    parts = {name: figures[name] for name in PARTS}
    return {**parts, REST: figures[WHOLE] - sum(parts.values()), WHOLE: figures[WHOLE]}
