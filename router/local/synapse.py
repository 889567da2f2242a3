"""The Synapse processes: their files from the templates in deploy/synapse, their keys and commands."""

from __future__ import annotations

import base64
import json
import secrets
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from string import Template

from router.local.credentials import Credentials
from router.local.layout import HOST, Instance, Layout
from router.local.loopback import answers
from router.local.processes import Program

TEMPLATES = Path(__file__).parents[2] / "deploy" / "synapse"


def write_config(layout: Layout, credentials: Credentials) -> None:
    """Writes every file below `layout.config`, from its template unless the instance has `resources`.

    Makes a signing key if there is none.
    """
    values = _values(layout, credentials)
    (layout.config / "workers").mkdir(exist_ok=True)
    for template in _templates(layout):
        file = layout.config / template.relative_to(TEMPLATES)
        file.write_text(Template(template.read_text(encoding="utf-8")).substitute(values), encoding="utf-8")
    for instance in layout.instances:
        if instance.resources and instance.name != "main":
            _worker_file(layout, instance).write_text(_as_yaml(_worker(layout, instance)), encoding="utf-8")
    if differs(layout):
        _overlay_file(layout).write_text(_as_yaml(_overlay(layout)), encoding="utf-8")
    if not signing_key(layout).exists():
        signing_key(layout).write_text(new_signing_key(), encoding="ascii")


def _templates(layout: Layout) -> list[Path]:
    """Those that all processes share, and those of the workers that have one."""
    shipped = [i.name for i in layout.instances if not i.resources and i.name != "main"]
    return [*sorted(TEMPLATES.glob("*.yaml")), *(TEMPLATES / "workers" / f"{name}.yaml" for name in shipped)]


def _as_yaml(settings: Mapping[str, object]) -> str:
    """As JSON, which YAML contains."""
    return json.dumps(settings, indent=2) + "\n"


def _worker(layout: Layout, instance: Instance) -> dict[str, object]:
    """The file of a worker that has no template."""
    listeners = [_listener(layout.listeners(instance)["client"], instance.resources)]
    if instance.replication_port is not None:
        listeners.append(_listener(instance.replication_port, ("replication",)))
    return {
        "worker_app": "synapse.app.generic_worker",
        "worker_name": instance.name,
        "worker_log_config": str(layout.config / "log.yaml"),
        "worker_listeners": listeners,
        # The settings that all share may have switched it off for the others.
        **({"enable_media_repo": True} if "media" in instance.resources else {}),
    }


def _listener(place: int | Path | None, resources: tuple[str, ...]) -> dict[str, object]:
    """On a unix socket Synapse believes what X-Forwarded-For says without being told to."""
    where: dict[str, object] = {"port": place, "bind_addresses": [HOST], "x_forwarded": True}
    if isinstance(place, Path):
        where = {"path": str(place), "mode": 0o660}
    return {"type": "http", "resources": [{"names": list(resources)}], **where}


def differs(layout: Layout) -> bool:
    """Whether the deployment is another one than the shipped one, and has an overlay.yaml."""
    return bool(layout.settings) or any(i.resources for i in layout.instances)


def _overlay(layout: Layout) -> dict[str, object]:
    """What a deployment other than the shipped one says in place of homeserver.yaml."""
    reachable = [i for i in layout.instances if i.replication_port is not None]
    overlay: dict[str, object] = {
        "instance_map": {i.name: {"host": HOST, "port": i.replication_port} for i in reachable}
    }
    main = layout["main"]
    if main.resources:
        overlay["listeners"] = [
            _listener(layout.listeners(main)["client"], main.resources),
            _listener(main.replication_port, ("replication",)),
        ]
    return overlay | dict(layout.settings)


def _overlay_file(layout: Layout) -> Path:
    return layout.config / "overlay.yaml"


def _worker_file(layout: Layout, instance: Instance) -> Path:
    return layout.config / "workers" / f"{instance.name}.yaml"


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


def new_signing_key() -> str:
    """The line `ed25519 VERSION SEED`, the seed in unpadded base64 (Synapse manual, `signing_key_path`)."""
    seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    return f"ed25519 a_{secrets.token_hex(2)} {seed}\n"


def config_files(layout: Layout, instance: Instance) -> tuple[Path, ...]:
    """What the process reads, in order; a top-level key of a later one replaces that of an earlier one."""
    files = [layout.config / "homeserver.yaml"]
    if differs(layout):
        files.append(_overlay_file(layout))
    if instance.name != "main":
        files.append(_worker_file(layout, instance))
    return tuple(files)


def program(layout: Layout, instance: Instance) -> Program:
    """The process of that instance."""
    app = "homeserver" if instance.name == "main" else "generic_worker"
    command = [sys.executable, "-m", f"synapse.app.{app}"]
    for file in config_files(layout, instance):
        command += ["-c", str(file)]
    return Program(
        name=instance.name,
        command=tuple(command),
        log=layout.log(instance.name),
        pid_file=layout.pid_file(instance.name),
        ready=lambda: answers(next(iter(layout.listeners(instance).values()))),
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
