"""Bytes for property tests: mutated heads and bodies, and any way to cut a stream into pieces."""

from __future__ import annotations

from hypothesis import strategies as st

REQUESTS = (
    b"GET /_matrix/client/v3/sync?since=s1 HTTP/1.1\r\nHost: matrix.example.org\r\nAccept: */*\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: h:80\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\nConnection: close, TE\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost:\th\t\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h\r\nA: \xff\r\n\r\n",
    b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n",
    b"GET http://h/x#y HTTP/1.1\r\nhOST: h\r\n\r\n",
    b"GET /x\nHost:\th HTTP/1.1\r\nHost: h\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\n",
)

RESPONSES = (
    b"HTTP/1.1 200 OK\r\nServer: Synapse/1.163.2\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 404 \r\nContent-Length: 12\r\nConnection: close\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nA:\tb \r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
)

BODIES = (
    b"5\r\nhello\r\n0\r\n\r\n",
    b'5;a=b\r\nhello\r\n0;x="y"\r\nA: b\r\n\r\n',
    b"A\r\n0123456789\r\n00a;q\r\n0123456789\r\n0\r\nX-T: v \r\nContent-Length: 4\r\n\r\n",
    b'1;a="\\""\r\nx\r\n0;a;b=c;d=""\r\n\r\n',
    b"f" * 16 + b"\r\nxx",
    b"7" + b"f" * 15 + b"\r\nxx",
    b"0" * 17 + b"\r\n\r\n",
    b"1\r\nq\r\n0\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nUpgrade: x\r\n\r\n",
)

PARTS: tuple[bytes, ...] = (
    *(bytes([byte]) for byte in b'\r\n \t:;="\\,05fx/@?\x00\x01\x7f\x80\xff'),
    *(b"\r\n\r\n", b"HTTP/1.1", b"chunked", b"Host: h\r\n"),
)


@st.composite
def mutated(draw: st.DrawFn, corpus: tuple[bytes, ...]) -> bytes:
    """One of the corpus with up to three pieces taken out, put in or put in their place."""
    data = draw(st.sampled_from(corpus))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 4)))
        data = data[:start] + draw(st.sampled_from((b"", *PARTS))) + data[end:]
    return data


MUTATED_REQUESTS = mutated(REQUESTS).map(lambda data: data + b"\r\n\r\n")
MUTATED_RESPONSES = mutated(RESPONSES).map(lambda data: data + b"\r\n\r\n")
# Two empty lines end whatever line is open, so that no verdict is still outstanding.
MUTATED_BODIES = mutated(BODIES).map(lambda data: data + b"\r\n\r\n")


@st.composite
def pieces(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes, cut somewhere."""
    cuts = sorted(draw(st.sets(st.integers(0, len(data)), max_size=12)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
