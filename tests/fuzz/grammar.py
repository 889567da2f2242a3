"""Streams of HTTP/1.1 requests: valid ones, nearly valid ones, and what smuggles requests past proxies."""

from __future__ import annotations

from random import Random

METHODS = (b"GET", b"GET", b"POST", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS")
ODD_METHODS = (
    b"get",
    b"TRACE",
    b"CONNECT",
    b"PRI",
    b"G@T",
    b"FOO",
    b"",
    b"\tGET",
    b" GET",
    b"GE\x00T",
    b"SOURCE",
)

TARGETS = (
    b"/",
    b"/_matrix/client/v3/sync?since=s1",
    b"/a/%21b%3Ac?x",
    b"/?",
    b"/x//y/./z",
    b"/a;b=c",
    b"/" + b"p" * 300,
)
ODD_TARGETS = (
    *(
        b"http://h/x",
        b"http://other/x",
        b"HTTP://h:80/x?y",
        b"http://u@h/x",
        b"http://h",
        b"https://h/",
        b"*",
        b"h:80",
    ),
    *(
        b"x",
        b"",
        b"/a b",
        b"/\x80",
        b"/a#b",
        b"/..",
        b"/a/../../b",
        b"/%",
        b"/%00",
        b"/\\",
        b"//h/x",
        b"/\x00",
        b"/a\tb",
    ),
    *(b"/x HTTP/1.1", b"/x\r", b"/<>", b"http:///x", b"ws://h/x", b"/_synapse/admin/v1", b"/^", b'/"'),
)

VERSION = b"HTTP/1.1"
ODD_VERSIONS = (
    *(
        b"HTTP/1.0",
        b"HTTP/1.0",
        b"HTTP/0.9",
        b"HTTP/2.0",
        b"HTTP/1.2",
        b"http/1.1",
        b"HTTP/1.1 ",
        b"HTTP/01.1",
        b"",
    ),
    *(b"HTTP/1.10", b"HTTP/1.", b"RTSP/1.0", b"ICE/1.0", b"HTTP/1,1", b"HTTP/ 1.1", b"HTTP/1.1\x00"),
)
ODD_BLANKS = (b"  ", b"\t", b"\x0b", b"\x0c", b"\r", b"", b"\xa0")
ODD_ENDS = (b"\n", b"\r", b"\r\r\n", b"\n\r", b" \r\n", b"\x0b\n", b"", b"\r\n\r\n", b"\r\n ")

HOSTS = (b"Host: h", b"host: h:80", b"HOST:h", b"Host: [::1]:8080", b"Host: matrix.example.org \t")
ODD_HOSTS = (
    *(
        b"Host:",
        b"Host: h\r\nHost: h",
        b"Host: h\r\nhost: i",
        b"X: y",
        b"Host: u@h",
        b"Host: h/x",
        b"Host: h i",
        b"Host : h",
    ),
    *(
        b"Host: h:80:80",
        b"Host: h:x",
        b"Host: [::1",
        b"Host: ..",
        b"Host: \x80",
        b"Ho\x00st: h",
        b" Host: h",
        b"Host: h,i",
    ),
)

FIELDS = (
    *(
        b"Accept: */*",
        b"Authorization: Bearer syt_YQ_x_y",
        b"X-A: b",
        b"X-A: c",
        b"Cookie: a=b",
        b"Content-Type: a/b",
    ),
    *(
        b"User-Agent:  spaced \t",
        b"X-Empty:",
        b"Connection: keep-alive",
        b"Accept-Encoding: gzip, br",
        b"Origin: http://o",
    ),
    *(
        b"Expect: 100-continue",
        b"X-High: \xc3\xa9",
        b"!#$%&'*+-.^_`|~09aZ: token",
        b"X-Forwarded-For: 1.2.3.4",
    ),
)
ODD_FIELDS = (
    *(
        b"Connection: close",
        b"Connection: x-a, content-length",
        b"Connection: transfer-encoding",
        b"Connection: host",
    ),
    *(
        b"Connection: close, keep-alive",
        b"Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
    ),
    *(
        b"Connection: Upgrade\r\nUpgrade: websocket",
        b"Upgrade: h2c",
        b"Keep-Alive: timeout=5",
        b"TE: trailers",
        b"TE: gzip",
    ),
    *(
        b"Trailer: X-T",
        b"Proxy-Connection: keep-alive",
        b"Expect: something",
        b"Forwarded: for=1.2.3.4",
        b"X_Forwarded-For: 1",
    ),
    *(
        b"X-A : b",
        b"X-A\t: b",
        b"X A: b",
        b": b",
        b"X-A",
        b"X-A: b\x00c",
        b"X-A: b\rc",
        b"X-A: b\nc",
        b"X-A: b\x7f",
        b"X-A:\x0bb",
    ),
    *(
        b"X-A: b\r\n folded",
        b"X-A: b\r\n\tfolded",
        b" X-A: b",
        b"X(A: b",
        b"X-\x80: b",
        b"X-A: \x01",
        b'X"A: b',
        b"X/A: b",
    ),
    *(
        b"X_A: b",
        b"Content_Length: 5",
        b"Transfer_Encoding: chunked",
        b"X" * 300 + b": y",
        b"X-A: " + b"y" * 900,
    ),
)

LENGTHS = (
    *(
        b"Content-Length: +%d",
        b"Content-Length: -%d",
        b"Content-Length: 0x%x",
        b"Content-Length: %d,%d",
        b"Content-Length:%d ",
    ),
    *(
        b"Content-Length: %d, %d",
        b"Content-Length: %d\r\nContent-Length: %d",
        b"Content-Length: %d\r\nContent-Length: 0",
    ),
    *(
        b"Content-Length: 0\r\nContent-Length: %d",
        b"Content-Length: 0%d",
        b"Content-Length: %d;",
        b"Content-Length: %d.0",
    ),
    *(
        b"Content-Length : %d",
        b"content-length:\t%d",
        b"Content-Length: \x0b%d",
        b"Content-Length: %d\x00",
        b"Content-Length:",
    ),
    *(
        b"Content-Length: 1844674407370955161%d",
        b"Content-Length: %d 0",
        b"Content-Length: %d\r\n 0",
        b"X: y\r\n Content-Length: %d",
    ),
)
CODINGS = (
    *(
        b"Transfer-Encoding: Chunked",
        b"Transfer-Encoding:chunked",
        b"Transfer-Encoding: chunked ",
        b"transfer-encoding:\tchunked",
    ),
    *(
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked, gzip",
        b"Transfer-Encoding: chunked, chunked",
    ),
    *(
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: identity, chunked",
    ),
    *(
        b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
    ),
    *(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: xchunked",
    ),
    *(
        b"Transfer-Encoding: \x0bchunked",
        b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding: ,chunked",
        b"Transfer-Encoding:",
    ),
    *(
        b"Transfer-Encoding: chunked;a=b",
        b'Transfer-Encoding: "chunked"',
        b"Transfer-Encoding: chun\x00ked",
        b"X: y\r\n Transfer-Encoding: chunked",
    ),
    *(
        b"Transfer-Encoding: chunked\x00",
        b"Transfer-Encoding\x00: chunked",
        b"TRANSFER-ENCODING: CHUNKED",
        b"Transfer-Encoding: cow",
    ),
)

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
BODIES = (b"hello", b"x", b"{}", SMUGGLED, b"0\r\n\r\n" + SMUGGLED, b"\r\n", b"a" * 700, b"0\r\n\r\n")
ODD_SIZES = (
    *(
        b"0x%x",
        b"+%x",
        b"-%x",
        b" %x",
        b"%x ",
        b"%x\t",
        b"0%x",
        b"00000000000000000%x",
        b"1000000000000000%x",
        b"%xg",
        b"%x\x00",
    ),
    *(
        b"%x;a",
        b'%x;a="b\\""',
        b"%x; a = b",
        b"%x;",
        b"%x;\x00",
        b'%x;a="\r\n',
        b"%x;a\nb",
        b"\n%x",
        b"\r\n%x",
        b"%x\r",
        b"",
        b"%x;a\rb",
    ),
)
ODD_TRAILERS = (
    *(
        b"X-T: v\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Host: evil\r\n",
        b" folded\r\n",
        b"X\r\n",
    ),
    *(b"X-T: v\n", b"X-T : v\r\n", b"X-T: \x00\r\n", b"\n", b"GET / HTTP/1.1\r\n", b": v\r\n"),
)
NOISE = (
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"0",
    b"5",
    b"\x80",
    b"HTTP/1.1",
    b"chunked",
    b"Host: h\r\n",
)


class _Writer:
    """Writes one stream; `odds` is how often it writes something that is not as it should be."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._odds = random.choice((0.0, 0.02, 0.05, 0.1, 0.3))

    def pick(self, good: tuple[bytes, ...], odd: tuple[bytes, ...]) -> bytes:
        """One of the good, seldom one of the odd."""
        return self._random.choice(odd if self.is_odd() else good)

    def is_odd(self) -> bool:
        return self._random.random() < self._odds

    def request(self) -> bytes:
        """One request with all that belongs to it."""
        framing, body = self._framed_body()
        fields = [self.pick(FIELDS, ODD_FIELDS) for _ in range(self._random.choice((0, 0, 1, 2, 4)))]
        fields += framing
        self._random.shuffle(fields)
        fields.insert(0, self.pick(HOSTS, ODD_HOSTS))
        end = b"" if self._random.random() < self._odds / 4 else b"\r\n"
        return b"".join((self._line(), *(field + self._end() for field in fields), end, body))

    def _line(self) -> bytes:
        method, target = self.pick(METHODS, ODD_METHODS), self.pick(TARGETS, ODD_TARGETS)
        version = self.pick((VERSION,), ODD_VERSIONS)
        lead = self.pick((b"",), (b"\r\n", b"\n", b" ", b"\r\n\r\n"))
        return b"".join((lead, method, self._blank(), target, self._blank(), version, self._end()))

    def _blank(self) -> bytes:
        return self.pick((b" ",), ODD_BLANKS)

    def _end(self) -> bytes:
        return self.pick((b"\r\n",), ODD_ENDS)

    def _framed_body(self) -> tuple[list[bytes], bytes]:
        way = self._random.randrange(10)
        body = self._random.choice(BODIES)
        if way < 4:
            return [], body if self.is_odd() else b""
        if way < 6:
            return [self._length(body)], body
        if way < 9:
            return [self._coding()], self._chunks(body)
        if self._random.random() < self._odds * 3:
            return [self._length(body), self._coding()], self._random.choice((body, self._chunks(body)))
        return [self._length(b"")], b""

    def _length(self, body: bytes) -> bytes:
        size = max(0, len(body) + self._random.choice((-1, 1, 5)) * self.is_odd())
        if not self.is_odd():
            return b"Content-Length: %d" % size
        shape = self._random.choice(LENGTHS)
        return shape % ((size,) * shape.count(b"%"))

    def _coding(self) -> bytes:
        return self.pick((b"Transfer-Encoding: chunked",), CODINGS)

    def _chunks(self, body: bytes) -> bytes:
        at = self._random.randrange(len(body) + 1)
        out = b"".join(self._chunk(piece) for piece in (body[:at], body[at:]) if piece)
        if self.is_odd():
            return out
        trailers = self._random.choice(ODD_TRAILERS) if self.is_odd() else b""
        return out + self._size(0) + self._end() + trailers + self._end()

    def _chunk(self, piece: bytes) -> bytes:
        return self._size(len(piece)) + self._end() + piece + self._end()

    def _size(self, size: int) -> bytes:
        shape = self.pick((b"%x", b"%X", b"%x;a=b"), ODD_SIZES)
        return shape % ((size,) * shape.count(b"%"))


def stream(random: Random) -> bytes:
    """One to four requests on one connection, sometimes with noise in them."""
    writer = _Writer(random)
    data = b"".join(writer.request() for _ in range(random.choice((1, 1, 2, 2, 3, 4))))
    if random.randrange(5) == 0:
        for _ in range(random.choice((1, 1, 2, 3))):
            at = random.randrange(len(data) + 1)
            data = data[:at] + random.choice((b"", *NOISE)) + data[at + random.choice((0, 0, 1, 1, 3)) :]
    if random.randrange(12) == 0:
        data = data[: random.randrange(len(data) + 1)]
    return data
