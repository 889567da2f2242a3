from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.synapse.catalogue import (
    COLUMNS,
    CONDITIONS,
    KINDS,
    Catalogue,
    CataloguedEndpoint,
    MalformedCatalogue,
    parse,
    serves,
    shipped,
    written,
)

words = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=8)
statuses = st.from_regex(r"[2-5]\d\d-?(/[2-5]\d\d-?)?", fullmatch=True)
endpoints = st.builds(
    CataloguedEndpoint,
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    pattern=words.map(lambda word: f"^/{re.escape(word)}$"),
    servlet=words,
    target=words,
    stream=words,
    served_by=st.frozensets(st.sampled_from(sorted(KINDS))),
    only_with=st.sampled_from(CONDITIONS),
    answers=st.dictionaries(st.from_regex(r"[a-z]+:[a-z0-9_]+", fullmatch=True), statuses, max_size=4),
)
catalogues = st.builds(
    Catalogue,
    synapse=st.from_regex(r"\d+\.\d+\.\d+(rc\d)?", fullmatch=True),
    endpoints=st.lists(endpoints, max_size=5).map(tuple),
)


@given(catalogues)
def test_what_is_written_is_read_again(catalogue: Catalogue) -> None:
    read = parse(written(catalogue))

    assert read == catalogue
    assert [endpoint.answers for endpoint in read.endpoints] == [e.answers for e in catalogue.endpoints]
    assert written(read) == written(catalogue)


def test_the_shipped_file_is_what_its_writer_writes() -> None:
    lines = [(e.pattern, e.method, e.target) for e in shipped().endpoints]

    assert parse(written(shipped())) == shipped()
    assert lines == sorted(lines), "so that two versions of the file can be compared"
    assert max(Counter(lines).values()) == 1


def test_every_shipped_endpoint_has_a_target_of_its_own_and_somebody_who_serves_it() -> None:
    for endpoint in shipped().endpoints:
        assert re.match(endpoint.pattern, endpoint.target), endpoint
        assert endpoint.served_by, endpoint
        assert bool(endpoint.stream) == (endpoint.served_by == {"writer"}), endpoint
        # There was no such service to ask when it was asked.
        waiting = endpoint.only_with == "mas"
        assert waiting or any(serves(answer) for answer in endpoint.answers.values()), endpoint


@pytest.mark.parametrize(
    ("method", "path", "stream"),
    [
        ("POST", b"/_matrix/client/v3/rooms/!r:h/receipt/m.read/$e", "receipts"),
        ("POST", b"/_matrix/client/unstable/rooms/!r:h/read_markers", "receipts"),
        ("POST", b"/_matrix/client/v3/rooms/!r:h/read_markers/", ""),
        ("GET", b"/_matrix/client/v3/rooms/!r:h/receipt/m.read/$e", ""),
        ("PUT", b"/_matrix/client/v3/rooms/%21r%3Ah/typing/@u:h", "typing"),
        ("PUT", b"/_matrix/client/v3/rooms/a/b/typing/@u:h", ""),
        ("PUT", b"/_matrix/client/v3/sendToDevice/m.x/1", "to_device"),
        ("GET", b"/_matrix/client/v3/presence/@u:h/status", "presence"),
        ("HEAD", b"/_matrix/client/v3/presence/@u:h/status", "presence"),
        ("PUT", b"/_matrix/client/v3/presence/@u:h/status", ""),
        ("DELETE", b"/_matrix/client/v3/pushrules/global/room/!r:h", "push_rules"),
        ("GET", b"/_matrix/client/v3/pushrules/global/room/!r:h", ""),
        ("PUT", b"/_matrix/client/unstable/io.element.msc4306/rooms/!r/thread/$e/subscription",
         "thread_subscriptions"),
        ("PUT", b"/_matrix/client/v3/rooms/!r:h/send/m.room.message/1", ""),
        ("PUT", b"/\xff", ""),
        ("BREW", b"/_matrix/client/v3/sync", ""),
    ],
)  # fmt: skip
def test_the_stream_whose_writer_a_request_needs(method: str, path: bytes, stream: str) -> None:
    assert shipped().stream_of(method, path) == stream


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("401/200", True), ("401/403", True), ("404/404", True), ("302", True), ("401", True),
        ("404-", False), ("405-", False), ("401/500", False), ("500/500", False), ("500", False),
        ("404-/200", False),
        ("500/200", True),  # two transactions met
        ("401/404-", True),  # it looked at the token, so it is there, though the feature is off
    ],
)  # fmt: skip
def test_who_serves(answer: str, *, expected: bool) -> None:
    assert serves(answer) is expected


ENDPOINT = CataloguedEndpoint(
    method="PUT",
    pattern="^/x$",
    servlet="X",
    target="/x",
    stream="typing",
    served_by=frozenset({"writer"}),
    answers={
        "reference:main": "401/500",
        "reference:generic1": "401/500",
        "reference:typing_writer": "401/200",
    },
)


def test_writers_that_are_not_named_answered_as_the_generic_worker_did() -> None:
    assert ENDPOINT.answer("reference", "typing_writer") == "401/200"
    assert ENDPOINT.answer("reference", "presence_writer") == "401/500"
    assert ENDPOINT.answer("split", "main") == ""
    assert ENDPOINT.serves("reference", "typing_writer")
    assert not ENDPOINT.serves("reference", "main")
    with pytest.raises(KeyError, match="split:main"):
        ENDPOINT.serves("split", "main")


LINE = "PUT\t^/x$\tX\t/x\ttyping\twriter\t\treference:main=401/500"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (LINE.replace("\t", " ", 1), rf"line 3: {len(COLUMNS)} columns between tabs are expected, not 7"),
        (f"{LINE}\tmore", rf"line 3: {len(COLUMNS)} columns between tabs are expected, not 9"),
        (LINE.replace("writer", "butler"), "line 3: served_by is some of main, media, worker, writer, not"),
        (
            LINE.replace("\t\tref", "\tluck\tref"),
            "line 3: only_with is one of settings, experiments, mas, or nothing",
        ),
        (LINE.replace("^/x$", "^/(x$"), r"line 3: '\^/\(x\$' is no pattern: missing \)"),
        (LINE.replace("=401/500", ""), "line 3: answers are PROFILE:PROCESS=STATUS, not 'reference:main'"),
    ],
)
def test_a_malformed_line_is_named(line: str, message: str) -> None:
    assert parse(f"# Synapse 1\n# comment\n{LINE}\n").endpoints == (ENDPOINT,)
    with pytest.raises(MalformedCatalogue, match=message):
        parse(f"# Synapse 1\n# comment\n{line}\n")


@pytest.mark.parametrize("text", ["", "Synapse 1\n", "# method\n", f"{LINE}\n# Synapse 1\n"])
def test_a_file_without_a_version_is_refused(text: str) -> None:
    with pytest.raises(MalformedCatalogue, match="line 1: `# Synapse VERSION` is expected"):
        parse(text)
