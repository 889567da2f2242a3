"""Another homeserver on this machine: one Synapse process with SQLite and a TLS listener of its own."""

from __future__ import annotations

import json
import ssl
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from router.local.layout import HOST, Layout
from router.local.processes import Process, Program, wait_until_ready
from router.local.synapse import new_signing_key
from tests.federation.authority import Authority

_OF_WORKERS = (
    "redis",
    "worker_replication_secret",
    "instance_map",
    "stream_writers",
    "federation_sender_instances",
)


def reachable(port: int) -> str:
    """The name of a server whose others find it on that port without asking DNS or .well-known."""
    return f"localhost:{port}"


def speaks_to(name: str, authority: Authority) -> Mapping[str, object]:
    """Settings of a Synapse that federates with that server alone, and believes that authority alone."""
    return {
        "federation_domain_whitelist": [name],
        "federation_custom_ca_list": [str(authority.file)],
        "federation_verify_certificates": True,
        "ip_range_blacklist": [],  # or else it connects to no address of this machine
        "allow_public_rooms_over_federation": True,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """The homeserver, while it runs."""

    name: str
    base_url: str
    process: Process


def start(folder: Path, port: int, of: Layout, authority: Authority) -> Neighbour:
    """Starts one that has the settings of the deployment's file, but those that make it another server.

    Whoever starts it stops its `process`.
    """
    folder.mkdir()
    certificate = authority.certificate("neighbour")
    settings = yaml.safe_load((of.config / "homeserver.yaml").read_text(encoding="utf-8"))
    for key in _OF_WORKERS:
        del settings[key]
    base_url = f"https://{HOST}:{port}"
    settings |= {
        "server_name": reachable(port),
        "public_baseurl": base_url,
        "signing_key_path": str(folder / "signing.key"),
        "media_store_path": str(folder / "media"),
        "database": {"name": "sqlite3", "args": {"database": str(folder / "neighbour.db")}},
        "tls_certificate_path": str(certificate.chain),
        "tls_private_key_path": str(certificate.key),
        "listeners": [
            {
                "port": port,
                "type": "http",
                "tls": True,
                "bind_addresses": [HOST],
                "resources": [{"names": ["client", "federation"]}],
            }
        ],
        **speaks_to(of.server_name, authority),
    }
    (folder / "signing.key").write_text(new_signing_key(), encoding="ascii")
    file = folder / "homeserver.yaml"
    file.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    synapse = (sys.executable, "-m", "synapse.app.homeserver", "-c", str(file))
    process = Process(
        Program(
            name="neighbour",
            command=synapse,
            log=folder / "neighbour.log",
            pid_file=folder / "neighbour.pid",
            ready=lambda: _answers(base_url, authority.context),
        )
    )
    process.start()
    try:
        wait_until_ready([process])
    except BaseException:
        process.stop()
        raise
    return Neighbour(name=reachable(port), base_url=base_url, process=process)


def _answers(base_url: str, ca: ssl.SSLContext) -> bool:
    try:
        with urllib.request.urlopen(f"{base_url}/health", timeout=1, context=ca) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
