"""What a case expects held against its outcome, each expectation turned wrong, an outcome in few words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tests.http.cases import Case, Client, ExpectedAnswer, ExpectedRequest
from tests.http.messages import Message
from tests.http.stage import Got, Outcome

OF_OUR_OWN = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
"""The lines that the router adds behind a request's own, in this order."""

WRONG = b"wrong on purpose"


def faults(case: Case, outcome: Outcome) -> list[str]:
    """How the outcome is not what the case expects; empty where it is."""
    found = _request_faults(case.saw, outcome.requests)
    for number, (client, got) in enumerate(zip(case.clients, outcome.clients, strict=True), 1):
        found += [f"client {number}: {fault}" for fault in _client_faults(client, got)]
    if case.worker_end is not None and {case.worker_end} != set(outcome.worker_ends):
        found.append(f"the worker's connections ended {outcome.worker_ends}, not {case.worker_end!r}")
    if case.connections is not None and case.connections != len(outcome.connections):
        found.append(f"the worker had {len(outcome.connections)} connections, not {case.connections}")
    return found


def _request_faults(expected: Sequence[ExpectedRequest], seen: Sequence[Message]) -> list[str]:
    if len(expected) != len(seen):
        return [f"the worker saw {len(seen)} requests, not {len(expected)}: {seen}"]
    found: list[str] = []
    for number, (one, request) in enumerate(zip(expected, seen, strict=True), 1):
        found += _differences(f"request {number}", one, request)
        if one.headers is not None and one.headers != own_lines(request):
            found.append(f"request {number} had the lines {own_lines(request)}, not {one.headers}")
        found += _field_faults(f"request {number}", one.fields, request)
    return found


def _client_faults(client: Client, got: Got) -> list[str]:
    found: list[str] = []
    if [each.status for each in client.got] != [each.status for each in got.answers]:
        found.append(f"got {got.answers}, not {[each.status for each in client.got]}")
    else:
        for number, (one, answer) in enumerate(zip(client.got, got.answers, strict=True), 1):
            found += _differences(f"answer {number}", one, answer)
            found += _field_faults(f"answer {number}", one.headers, answer)
    if client.end != got.end:
        found.append(f"the connection was {got.end}, not {client.end}")
    return found


def _differences(what: str, expected: ExpectedAnswer | ExpectedRequest, message: Message) -> list[str]:
    found: list[str] = []
    for name in ("line", "body", "whole"):
        value, actual = getattr(expected, name), getattr(message, name)
        if value is not None and value != actual:
            found.append(f"the {name} of {what} was {actual!r}, not {value!r}")
    return found


def _field_faults(what: str, expected: object, message: Message) -> list[str]:
    assert isinstance(expected, dict)
    return [
        f"{what} had {name}: {message.values(name)}, not {value!r}"
        for name, value in expected.items()
        if message.values(name) != ([] if value is None else [value])
    ]


def own_lines(request: Message) -> tuple[bytes, ...]:
    """The header lines without the three that the router adds at the end."""
    names = tuple(line.partition(b":")[0].lower().decode("latin-1") for line in request.lines[-3:])
    return request.lines[:-3] if names == OF_OUR_OWN else request.lines


def perturbed(case: Case) -> Iterator[tuple[str, Case]]:
    """The case with one expectation turned wrong, for each of them."""
    extra = ExpectedRequest(line=WRONG)
    yield "one more request", replace(case, saw=(*case.saw, extra))
    for index, request in enumerate(case.saw):
        yield f"request {index + 1} missing", replace(case, saw=case.saw[:index] + case.saw[index + 1 :])
        for what, wrong in _wrong_request(request):
            saw = (*case.saw[:index], wrong, *case.saw[index + 1 :])
            yield f"request {index + 1}: {what}", replace(case, saw=saw)
    for index, client in enumerate(case.clients):
        for what, wrong_client in _wrong_client(client):
            clients = (*case.clients[:index], wrong_client, *case.clients[index + 1 :])
            yield f"client {index + 1}: {what}", replace(case, clients=clients)
    if case.worker_end is not None:
        yield "the worker's end", replace(case, worker_end="wrong")
    if case.connections is not None:
        yield "connections", replace(case, connections=case.connections + 1)


def _wrong_request(request: ExpectedRequest) -> Iterator[tuple[str, ExpectedRequest]]:
    yield "line", replace(request, line=WRONG)
    yield "whole", replace(request, whole=not request.whole)
    if request.body is not None:
        yield "body", replace(request, body=request.body + WRONG)
    if request.headers is not None:
        yield "a line more", replace(request, headers=(*request.headers, WRONG))
        for index in range(len(request.headers)):
            yield (
                "a line less",
                replace(request, headers=request.headers[:index] + request.headers[index + 1 :]),
            )
    for name, value in request.fields.items():
        yield name, replace(request, fields={**request.fields, name: (value or b"") + WRONG})


def _wrong_client(client: Client) -> Iterator[tuple[str, Client]]:
    yield "end", replace(client, end="wrong")
    yield "an answer more", replace(client, got=(*client.got, ExpectedAnswer(status=200)))
    for index, answer in enumerate(client.got):
        wrong = [
            ("status", replace(answer, status=answer.status + 1)),
            ("whole", replace(answer, whole=not answer.whole)),
        ]
        if answer.line is not None:
            wrong.append(("line", replace(answer, line=WRONG)))
        if answer.body is not None:
            wrong.append(("body", replace(answer, body=answer.body + WRONG)))
        for name, value in answer.headers.items():
            wrong.append((name, replace(answer, headers={**answer.headers, name: (value or b"") + WRONG})))
        for what, each in wrong:
            got = (*client.got[:index], each, *client.got[index + 1 :])
            yield f"answer {index + 1}: {what}", replace(client, got=got)


def summary(case: Case, outcome: Outcome) -> str:
    """An outcome in few words: `200 → 1 request`, `400, closed`, and what the case wants shown."""
    words = " | ".join(map(_said, outcome.clients))
    whole = sum(request.whole for request in outcome.requests)
    part = len(outcome.requests) - whole
    seen = [
        f"{count} {kind}{'s' * (count > 1)}" for count, kind in ((whole, "request"), (part, "part")) if count
    ]
    if seen:
        words += f" → {', '.join(seen)}"
    shown = [_shown(what, outcome) for what in case.show]
    return "; ".join([words, *shown])


def _said(got: Got) -> str:
    words = " ".join(map(_word, got.answers))
    if got.end == "kept":
        return words or "waits"
    return f"{words or 'no answer'}, {got.end}"


def _word(answer: Message) -> str:
    """An answer's status; `raw` for bytes that are no answer of HTTP/1."""
    if not answer.status:
        return "raw"
    return f"{answer.status}{'' if answer.whole else ' cut'}"


def _shown(what: str, outcome: Outcome) -> str:
    """`line` or `body` of the last request, a field of it (`request NAME`) or of the last answer."""
    kind, _, name = what.partition(" ")
    messages = outcome.clients[-1].answers if kind == "answer" else outcome.requests
    if not messages:
        return f"no {kind}"
    last = messages[-1]
    if not name:
        return f"{what} `{_text((last.line if what == 'line' else last.body)[:60])}`"
    values = _text(b", ".join(last.values(name)))
    return f"`{name}: {values}`" if last.values(name) else f"no `{name}`"


def _text(data: bytes) -> str:
    """Bytes as a cell of a table can have them."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in data)
