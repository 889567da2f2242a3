from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from router.config.agreement import Known, judge_endpoints
from router.config.findings import Finding, Findings
from router.errors import Source
from router.synapse.deployment import Deployment, Instance
from router.synapse.listener import Listener
from router.table import ClientTls, DnsAddress, Endpoint, parse_address


def listener(
    *addresses: str, line: int = 1, kind: str = "http", resources: str = "client", **flags: bool
) -> Listener:
    return Listener(
        addresses=tuple(map(parse_address, addresses)),
        kind=kind,
        source=Source(file="s.yaml", line=line),
        resources=frozenset(resources.split()),
        x_forwarded=flags.get("x_forwarded", True),
        tls=flags.get("tls", False),
    )


def instance(name: str, *listeners: Listener) -> Instance:
    return Instance(name=name, app="", listeners=listeners, source=Source(file="s.yaml", line=1))


DEPLOYMENT = Deployment(
    instances=(
        instance(
            "main", listener("127.0.0.1:8008"), listener("127.0.0.1:9093", resources="replication", line=2)
        ),
        instance("generic1", listener("127.0.0.1:8101", "10.0.0.5:8101", line=3)),
        instance("generic2", listener("unix:/run/g2.sock", line=4)),
        instance("anywhere", listener("[::]:8200", "0.0.0.0:8200", line=5)),
        instance("sender", listener("127.0.0.1:8300", line=6, resources="")),
        instance("persister", listener("127.0.0.1:9111", line=7, resources="replication")),
        instance("plain", listener("127.0.0.1:8400", line=8, x_forwarded=False)),
        instance("secure", listener("127.0.0.1:8500", line=9, tls=True)),
        instance("twin1", listener("0.0.0.0:8600", line=10)),
        instance("twin2", listener("0.0.0.0:8600", line=11)),
    ),
    has_workers=True,
)


def judged(endpoints: Iterable[str], deployment: Deployment = DEPLOYMENT) -> list[Finding]:
    """The findings for endpoints written `ADDRESS [INSTANCE [tls]]`, one a line of routes.yaml."""
    findings = Findings()
    read = []
    for line, written in enumerate(endpoints, 1):
        address, name, tls, *_ = (*written.split(" "), "", "")
        read.append(
            Endpoint(
                address=parse_address(address),
                instance=name or None,
                tls=ClientTls() if tls else None,
                source=Source(file="routes.yaml", line=line),
            )
        )
    judge_endpoints(read, Known(deployment), findings)
    return list(findings)


def codes(*endpoints: str, deployment: Deployment = DEPLOYMENT) -> list[str]:
    return [finding.code for finding in judged(endpoints, deployment)]


ALIKE = [
    "127.0.0.1:8008", "127.0.0.1:8008 main", "127.0.0.1:8008 master", "127.1:8101 generic1",
    "10.0.0.5:8101 generic1", "localhost:8101 generic1", "[::ffff:127.0.0.1]:8101",
    "unix:/run/g2.sock generic2", "unix:/run/../run/g2.sock", "127.0.0.1:8200 anywhere",
    "10.9.8.7:8200 anywhere", "127.0.0.1:8600",
    "name.example:8200 anywhere", "127.0.0.1:8600 twin1", "127.0.0.1:8600 twin2",
    # another machine, or a name that only a container knows: nothing to compare with
    "10.0.0.6:8101", "generic1:8080 generic1", "generic1:8008 generic1", "192.0.2.1:8009 main",
    "synapse:8008",
]  # fmt: skip


@pytest.mark.parametrize("written", ALIKE)
def test_what_agrees_or_cannot_be_compared_has_no_finding(written: str) -> None:
    assert codes(written) == []


CONTRADICTED = [
    ("10.0.0.6:8101 generix1", "W206", "know no instance `generix1`", "write `generic1`"),
    ("127.0.0.1:8400 generic", "W206", "know no instance `generic`", "write `plain`, which listens there"),
    ("127.0.0.1:8600 generix1", "W206", "know no instance `generix1`", "write `generic1`"),
    ("10.0.0.6:8101 unheard", "W206", "know no instance `unheard`", "anywhere, generic1, generic2, main"),
    ("127.0.0.1:8101 generic2", "W207", "127.0.0.1:8101 is `generic1`, not `generic2`", "unix:/run/g2.sock"),
    ("unix:/run/g2.sock generic1", "W207", "is `generic2`, not `generic1`", "10.0.0.5:8101"),
    ("127.0.0.1:8600 generic1", "W207", "is `twin1`, not `generic1`", "127.0.0.1:8101"),
    ("127.0.0.1:8700 persister", "W207", "`persister` has no listener for clients", "names: [client]"),
    ("persister:8080 persister", "W207", "`persister` has no listener for clients", "names: [client]"),
    ("127.0.0.1:8102", "W208", "no client listener in Synapse's files is 127.0.0.1:8102", "address"),
    ("127.0.0.1:8102 generic1", "W208", "is 127.0.0.1:8102", "`generic1` listens on 127.0.0.1:8101"),
    ("10.0.0.5:8102", "W208", "is 10.0.0.5:8102", "address"),
    ("unix:/run/g3.sock", "W208", "is unix:/run/g3.sock", "address"),
    ("127.0.0.1:8300 sender", "W209", "answers to nothing but /health", "names: [client]"),
    ("127.0.0.1:8500", "W210", "speaks TLS", "tls: true"),
    ("127.0.0.1:8101 generic1 tls", "W210", "127.0.0.1:8101 speaks no TLS", "remove its `tls:`"),
]


@pytest.mark.parametrize(("written", "code", "message", "fix"), CONTRADICTED)
def test_what_contradicts(written: str, code: str, message: str, fix: str) -> None:
    (finding,) = judged(["127.0.0.1:8008 main", written])
    assert finding.code == code
    assert message in finding.message
    assert fix in finding.fix
    assert finding.source == Source(file="routes.yaml", line=2)


def test_a_listener_that_is_not_told_whom_to_believe_is_told_in_its_own_file() -> None:
    (finding,) = judged(["127.0.0.1:8400", "127.0.0.1:8400 plain"])
    assert (finding.code, finding.source) == ("H309", Source(file="s.yaml", line=8))
    assert [related.source.line for related in finding.related] == [1]


@pytest.mark.parametrize("label", [None, "generic1"])
def test_what_dns_will_find_cannot_be_compared(label: str | None) -> None:
    endpoint = Endpoint(address=DnsAddress(name="localhost.", port=8101), instance=label)
    findings = Findings()
    judge_endpoints([endpoint], Known(DEPLOYMENT), findings)
    assert list(findings) == []
    assert Known(DEPLOYMENT).instance_of(endpoint) == label


def test_an_endpoint_in_two_upstreams_has_one_finding() -> None:
    assert (
        codes("127.0.0.1:8008", "127.0.0.1:8102", "127.0.0.1:8102", "127.0.0.1:8102 generic1") == ["W208"] * 2
    )


def test_where_nothing_fits_one_finding_is_enough() -> None:
    (finding,) = judged(["127.0.0.1:1008", "127.0.0.1:1101 generic1", "unix:/run/x.sock"])
    assert finding.code == "W208"
    assert "no endpoint is a client listener" in finding.message


def test_without_the_workers_files_only_main_is_known() -> None:
    alone = Deployment(instances=DEPLOYMENT.instances[:1])
    assert codes("127.0.0.1:8008 main", "127.0.0.1:8101 generic1", "127.0.0.1:8102", deployment=alone) == []
    assert codes("127.0.0.1:8009 main", deployment=alone) == ["W208"]
    assert codes("127.0.0.1:8009 main", deployment=DEPLOYMENT) == ["W208"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("127.0.0.1:8101", "generic1"),
        ("127.0.0.1:8101 generic1", "generic1"),
        ("127.0.0.1:8101 generic2", "generic1"),
        ("127.0.0.1:8008 master", "main"),
        ("127.0.0.1:8600", None),
        ("127.0.0.1:8600 twin2", "twin2"),
        ("somewhere:8080 generic1", "generic1"),
        ("somewhere:8200 generic1", "generic1"),
        ("somewhere:8080 unheard", None),
        ("somewhere:8080", None),
        ("127.0.0.1:9093", None),
    ],
)
def test_which_process_an_endpoint_is(written: str, name: str | None) -> None:
    address, _, label = written.partition(" ")
    endpoint = Endpoint(address=parse_address(address), instance=label or None)
    assert Known(DEPLOYMENT).instance_of(endpoint) == name


def test_a_socket_is_known_behind_its_links(tmp_path: Path) -> None:
    (tmp_path / "real.sock").touch()
    (tmp_path / "link.sock").symlink_to(tmp_path / "real.sock")
    linked = Deployment(
        instances=(instance("main", listener(f"unix:{tmp_path}/real.sock")),), has_workers=True
    )
    assert codes(f"unix:{tmp_path}/link.sock main", deployment=linked) == []
