from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest

from router.config.lint import lint
from router.config.loader import load_bytes
from router.settings import TrustedProxies
from tests.config.files import CLEAN, fix, marked


def trusted(written: str) -> TrustedProxies:
    loaded = load_bytes(f"{CLEAN}trusted_proxies: {written}\n".encode())
    assert loaded.config is not None, loaded.findings
    assert loaded.findings == ()
    return loaded.config.settings.trusted_proxies


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("10.0.0.2", TrustedProxies(networks=(IPv4Network("10.0.0.2/32"),))),
        ("[unix]", TrustedProxies(unix=True)),
        (
            "[10.0.0.0/8, 'fd00::/8', '::1', unix]",
            TrustedProxies(
                networks=(IPv4Network("10.0.0.0/8"), IPv6Network("fd00::/8"), IPv6Network("::1/128")),
                unix=True,
            ),
        ),
        ("['::ffff:10.0.0.0/104']", TrustedProxies(networks=(IPv4Network("10.0.0.0/8"),))),
        ("['::ffff:10.0.0.2', 10.0.0.2]", TrustedProxies(networks=(IPv4Network("10.0.0.2/32"),))),
        ("['::/1']", TrustedProxies(networks=(IPv6Network("::/1"),))),
    ],
)
def test_what_is_read(written: str, expected: TrustedProxies) -> None:
    assert trusted(written) == expected


@pytest.mark.parametrize(
    ("written", "code", "caret", "advice"),
    [
        ("[]", "S010", "[]", "remove it"),
        ("[{a: b}]", "S009", "{", ""),
        ("[10.0.0.1/8]", "S013", "10.0.0.1/8", "`10.0.0.0/8`"),
        ("[proxy.example]", "S013", "proxy.example", "write an address"),
        ("['10.0.0.1:80']", "S013", "'10.0.0.1:80'", "write an address"),
        ("['fe80::1%eth0']", "S013", "'fe80::1%eth0'", "write `fe80::1`"),
        ("['[::1]']", "S013", "'[::1]'", "write an address"),
        ("[10.0.0.0/33]", "S013", "10.0.0.0/33", "write an address"),
        ("['unix:/run/x']", "S013", "'unix:/run/x'", "`unix`"),
        ("[0.0.0.0/0]", "H331", "0.0.0.0/0", "your proxies"),
        ("['::/0']", "H331", "'::/0'", "your proxies"),
        ("['::ffff:0.0.0.0/96']", "H331", "'::ffff:0.0.0.0/96'", "your proxies"),
    ],
)
def test_what_is_wrong_is_marked(written: str, code: str, caret: str, advice: str) -> None:
    text = f"{CLEAN}trusted_proxies: {written}\n"
    assert marked(text, code).startswith(caret)
    assert advice in fix(text, code)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("listen: unix:/run/x\n", ["H332"]),
        ("listen: [127.0.0.1:80, 'unix:/run/x']\n", ["H332"]),
        ("listen: unix:/run/x\ntrusted_proxies: 10.0.0.2\n", ["H332"]),
        ("listen: unix:/run/x\ntrusted_proxies: unix\n", []),
        ("listen: {address: 'unix:/run/x', proxy_protocol: true}\n", []),
        ("listen: 127.0.0.1:80\n", []),
        ("", []),
    ],
)
def test_somebody_should_say_who_the_clients_on_a_unix_socket_are(text: str, codes: list[str]) -> None:
    assert [one.code for one in lint(load_bytes((text + CLEAN).encode()))] == codes
