from __future__ import annotations

from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from router.routing.ring import POINTS_PER_WEIGHT, Ring
from router.table import Endpoint, TcpAddress, UnixAddress


def tcp(host: str, port: int, weight: int = 1) -> Endpoint:
    return Endpoint(address=TcpAddress(host=host, port=port), weight=weight)


def test_the_first_points_are_a_chain_of_crc32() -> None:
    # Worked out by hand from ngx_http_upstream_hash_module.c: crc32(HOST NUL PORT PREVIOUS).
    ring = Ring([tcp("127.0.0.1", 8101)])
    first = crc32(b"127.0.0.1\x008101\x00\x00\x00\x00")
    second = crc32(b"127.0.0.1\x008101" + first.to_bytes(4, "little"))
    assert {first, second} <= set(ring.hashes)
    assert len(ring.hashes) == POINTS_PER_WEIGHT


def test_weight_gives_points() -> None:
    ring = Ring([tcp("h", 1), tcp("h", 2, weight=3)])
    assert ring.names.count("h:1") == 160
    assert ring.names.count("h:2") == 480


def test_a_unix_path_has_no_scheme_and_no_port() -> None:
    ring = Ring([Endpoint(address=UnixAddress(path="/run/w:1.sock"))])
    assert crc32(b"/run/w:1.sock\x00\x00\x00\x00\x00") in ring.hashes


def test_the_host_is_hashed_as_written() -> None:
    assert Ring([tcp("localhost", 8101)]).hashes != Ring([tcp("127.0.0.1", 8101)]).hashes
    assert crc32(b"[::1]\x008101\x00\x00\x00\x00") in Ring([tcp("::1", 8101)]).hashes


@given(st.binary(min_size=1, max_size=40))
def test_a_key_belongs_to_the_first_point_not_below_it(key: bytes) -> None:
    ring = Ring([tcp("127.0.0.1", port) for port in (8101, 8102, 8103)])
    above = [index for index, point in enumerate(ring.hashes) if point >= crc32(key)]
    assert ring.position(key) == (above[0] if above else 0)


def test_a_key_on_a_point_belongs_to_it() -> None:
    ring = Ring([tcp("127.0.0.1", port) for port in (8101, 8102)])
    key = b"127.0.0.1\x008102\x00\x00\x00\x00"
    assert ring.hashes[ring.position(key)] == crc32(key)


def test_of_two_endpoints_on_one_point_the_first_has_it() -> None:
    # A point that two ports of this host have both, found by trying.
    one, other, point = tcp("h", 58), tcp("h", 404), 1529389498
    for endpoints in ([one, other], [other, one]):
        ring = Ring(endpoints)
        assert len(ring.hashes) == 2 * POINTS_PER_WEIGHT - 1
        assert ring.names[ring.hashes.index(point)] == endpoints[0].name


def test_a_key_above_all_points_goes_around() -> None:
    ring = Ring([tcp("127.0.0.1", 8101)])
    keys = (b"key %d" % number for number in range(10_000))
    above = next(key for key in keys if crc32(key) > ring.hashes[-1])
    assert ring.position(above) == 0
