from __future__ import annotations

from pathlib import Path

import pytest

from router.config.findings import Findings
from router.nginx.directives import Directive
from router.nginx.servers import Listen, choose_server, listeners, listens
from router.settings import CertificateFiles
from tests.nginx.files import tree

Places = list[tuple[Directive, list[Listen]]]


def places(folder: Path, text: str) -> Places:
    return [(each, listens(each, Findings())) for each in tree(folder, text)]


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("80", "0.0.0.0:80"),
        ("*:81", "0.0.0.0:81"),
        ("127.0.0.1:82", "127.0.0.1:82"),
        ("[::]:83", "[::]:83"),
        ("example.org", "example.org:80"),
        ("unix:/run/x", "unix:/run/x"),
    ],
)
def test_where_a_server_listens(tmp_path: Path, written: str, address: str) -> None:
    ((_, (listen,)),) = places(tmp_path, f"server {{ listen {written} ssl; }}")
    assert (str(listen.address), listen.words) == (address, ("ssl",))


def test_port_80_where_nothing_is_said(tmp_path: Path) -> None:
    ((_, (listen,)),) = places(tmp_path, "server { }")
    assert listen.port == 80


def order(found: Places) -> list[str]:
    return [
        " & ".join(map(str, conditions)) + " -> " + str(server.source.line)
        for conditions, server in choose_server(found)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("server { listen 1; listen 2; server_name a; }", [" -> 1"]),
        (
            (
                "server { server_name a; }\nserver { server_name b *.c.org .d.org; }\n"
                "server { server_name x.* ~^y\\d$; }"
            ),
            [
                r"host has \Aa\z -> 1",
                r"host has \Ab\z -> 2",
                r"host has .\.c\.org\z -> 2",
                r"host has (?:\A|\.)d\.org\z -> 2",
                r"host has \Ax\.. -> 3",
                r"host has (?i)^y\d(?:\n)?\z -> 3",
                " -> 1",
            ],
        ),
        (
            "server { listen 1; server_name a; }\nserver { listen 1 default_server; server_name _; }",
            [r"host has \Aa\z -> 1", " -> 2"],
        ),
        (
            "server { listen 1; }\nserver { listen 2; }",
            [r"port has \A1\z -> 1", r"port has \A2\z -> 2"],
        ),
    ],
)
def test_which_server_takes_a_request(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert order(places(tmp_path, text)) == expected


def test_listeners_have_the_certificates_of_all_their_servers(tmp_path: Path) -> None:
    findings = Findings()
    found = places(
        tmp_path,
        "server { listen 443 ssl http2; ssl_certificate /a.pem; ssl_certificate_key /a.key;\n"
        'location / { add_header Strict-Transport-Security "max-age=63072000"; } }\n'
        "server { listen 443 ssl; ssl_certificate /b.pem; ssl_certificate_key /b.key; }\n"
        "server { listen 80 proxy_protocol; }",
    )
    secure, plain = listeners(found, findings)
    assert secure.tls is not None
    assert secure.tls.certificates == (
        CertificateFiles(certificate="/a.pem", key="/a.key"),
        CertificateFiles(certificate="/b.pem", key="/b.key"),
    )
    assert (plain.tls, plain.proxy_protocol) == (None, True)
    assert [each.code for each in findings] == ["N402"]


def test_tls_without_a_certificate(tmp_path: Path) -> None:
    findings = Findings()
    listeners(places(tmp_path, "server { listen 443 ssl; }"), findings)
    assert [each.code for each in findings] == ["N404"]


def test_an_address_that_is_none(tmp_path: Path) -> None:
    findings = Findings()
    (server,) = tree(tmp_path, "server { listen 127.0.0.1:99999; }")
    assert listens(server, findings) == []
    assert [each.code for each in findings] == ["N404"]
