"""The seven Synapse processes: their files from the templates in deploy/synapse, their keys and commands."""

from __future__ import annotations

import base64
import json
import secrets
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from string import Template

from router.local.credentials import Credentials
from router.local.layout import Instance, Layout
from router.local.processes import Program, answers

TEMPLATES = Path(__file__).parents[2] / "deploy" / "synapse"


def write_config(layout: Layout, credentials: Credentials) -> None:
    """Fills every template and writes it below `layout.config`; makes a signing key if there is none."""
    values = _values(layout, credentials)
    for template in sorted(TEMPLATES.rglob("*.yaml")):
        file = layout.config / template.relative_to(TEMPLATES)
        file.parent.mkdir(exist_ok=True)
        file.write_text(Template(template.read_text(encoding="utf-8")).substitute(values), encoding="utf-8")
    if not signing_key(layout).exists():
        signing_key(layout).write_text(_new_signing_key(), encoding="ascii")


def _values(layout: Layout, credentials: Credentials) -> dict[str, object]:
    """What stands for ${NAME}; texts as JSON strings, which YAML reads whatever is in them."""
    texts = asdict(credentials) | {
        "public_baseurl": f"{layout.base_url}/",
        "log_config": str(layout.config / "log.yaml"),
        "signing_key_path": str(signing_key(layout)),
        "media_store_path": str(layout.data / "media"),
    }
    values: dict[str, object] = {name: json.dumps(text) for name, text in texts.items()}
    values |= {"postgres_port": layout.postgres_port, "valkey_port": layout.valkey_port}
    for instance in layout.instances:
        values[f"{instance.name}_client_port"] = instance.client_port
        values[f"{instance.name}_replication_port"] = instance.replication_port
        values[f"{instance.name}_health_port"] = instance.health_port
    return values


def signing_key(layout: Layout) -> Path:
    """The file with the key that signs events."""
    return layout.data / "signing.key"


def _new_signing_key() -> str:
    """`ed25519 VERSION SEED`, the seed in unpadded base64 (Synapse manual, `signing_key_path`)."""
    seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    return f"ed25519 a_{secrets.token_hex(2)} {seed}\n"


def program(layout: Layout, instance: Instance) -> Program:
    """The process of that instance."""
    shared = str(layout.config / "homeserver.yaml")
    if instance.name == "main":
        command = [sys.executable, "-m", "synapse.app.homeserver", "-c", shared]
    else:
        own = str(layout.config / "workers" / f"{instance.name}.yaml")
        command = [sys.executable, "-m", "synapse.app.generic_worker", "-c", shared, "-c", own]
    return Program(
        name=instance.name,
        command=tuple(command),
        log=layout.log(instance.name),
        pid_file=layout.pid_file(instance.name),
        ready=lambda: answers(next(iter(instance.ports.values()))),
    )


def _marker(layout: Layout) -> Path:
    return layout.data / "tables-made-by"


def has_tables(layout: Layout) -> bool:
    """Whether the database was made by this version of Synapse, so that workers need not wait for main."""
    return _marker(layout).exists() and _marker(layout).read_text(encoding="ascii") == _version()


def note_tables(layout: Layout) -> None:
    """Remembers that main has brought the database to its version."""
    _marker(layout).write_text(_version(), encoding="ascii")


def _version() -> str:
    return version("matrix-synapse")
