from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from router.errors import BadRequest, MethodNotAllowed
from router.request import METHODS, RequestHead
from tests.real_nginx import Client, free_ports, nginx

pytestmark = [pytest.mark.nginx, pytest.mark.xdist_group("nginx")]

PIECES = (
    b"a", b"b", b"/", b"/", b"//", b".", b"..", b"/.", b"/..", b"/../", b"%2F", b"%2f", b"%2E", b"%2e%2e",
    b"%2E.", b"%25", b"%252F", b"%3F", b"%23", b"%0A", b"%FF", b"%5C", b";", b"+", b"&", b"=", b"|", b"~",
    b"%7F", b"%20", b"!", b"$", b":", b"@", b"%zz", b"%4", b"%00", b"%", b"?",
)  # fmt: skip

FORMS = (
    b"/", b"*", b"http://h", b"http://h?q", b"http://h/", b"http://h:80/p?q", b"http://h:/p", b"http://[::1]:80/p",
    b"HTTP://h/p", b"hTtPs://h/p", b"http://h./p", b"http://-h/p", b"http:///p", b"http://h_x/p", b"http://[::1/p",
    b"http://u@h/p", b"http://u:p@h/p", b"http://h:8a/p", b"http://h..x/p", b"http://h%41/p", b"http://h:80:80/p",
    b"http://h/../x", b"http://h/%2e%2e", b"http://h?/../..", b"http://h/a/..", b"h:80", b"http:/h",
    b"/http://h/p",
    b"/_matrix/client/v3/rooms/%21a%3Ab/event/%24c%2Fd", b"/_synapse/admin/..%2F..%2F_matrix/client",
    b"/sync%0A",
)  # fmt: skip


def generated(count: int, seed: int) -> list[bytes]:
    """Paths that look like nothing a client sends, the same ones each time."""
    chance = random.Random(seed)
    return [b"/" + b"".join(chance.choices(PIECES, k=chance.randint(1, 9))) for _ in range(count)]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    [port] = free_ports(1)
    server = f'server {{ listen 127.0.0.1:{port}; location / {{ return 200 "$request_uri\\n$uri"; }} }}'
    with nginx(tmp_path_factory.mktemp("nginx"), server), Client(port) as asking:
        yield asking


def by_nginx(client: Client, target: bytes, method: bytes = b"GET") -> tuple[int, bytes, bytes]:
    status, body = client.ask(target, method)
    if status != 200:
        return status, b"", b""
    request_uri, _, uri = body.partition(b"\n")
    return status, request_uri, uri


def by_us(target: bytes) -> tuple[int, bytes, bytes]:
    try:
        head = RequestHead(method="GET", target=target)
    except BadRequest as error:
        return error.status, b"", b""
    return 200, head.target, head.normalised


@pytest.mark.parametrize("target", FORMS)
def test_forms_of_targets(client: Client, target: bytes) -> None:
    theirs = by_nginx(client, target)
    if target.startswith(b"http://h?"):
        # nginx shows no slash where there was none; what is forwarded has to have one.
        theirs = (theirs[0], b"/" + theirs[1], theirs[2])
    assert by_us(target) == theirs


@pytest.mark.parametrize("seed", range(4))
def test_generated_paths(client: Client, seed: int) -> None:
    targets = generated(400, seed)
    different = {target: (by_us(target), by_nginx(client, target)) for target in targets}
    assert {target: both for target, both in different.items() if both[0] != both[1]} == {}
    statuses = [ours[0] for ours, _ in different.values()]
    assert statuses.count(200) > 100
    assert statuses.count(400) > 100


def test_bytes_of_the_target(client: Client) -> None:
    # Line ends part heads, `#` is refused here and cuts the path there, from 0x80 up llhttp refuses.
    for byte in set(range(0x80)) - set(b"\r\n#"):
        target = b"/a" + bytes([byte]) + b"b"
        if byte != 0x25:
            assert by_us(target)[0] == by_nginx(client, target)[0], target


def test_what_differs_on_purpose(client: Client) -> None:
    for target in (b"/a#b", b"/a?b#c", b"/a\x80", b"/\xc3\xa9"):
        assert by_nginx(client, target)[0] == 200
        assert by_us(target)[0] == 400


def test_methods(client: Client) -> None:
    for method in METHODS - {"HEAD"}:
        assert by_nginx(client, b"/", method.encode())[0] == 200
    for method in ("CONNECT", "TRACE"):
        assert by_nginx(client, b"/", method.encode())[0] == 405
        with pytest.raises(MethodNotAllowed):
            RequestHead(method=method, target=b"/")
