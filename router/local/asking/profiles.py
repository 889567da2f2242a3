"""The deployments that are asked: the shipped one, one with a process for each duty, one without accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from router.local.asking.features import experiments, streams
from router.local.layout import HOST, REFERENCE, Instance, Layout
from router.local.processes import package_folder

CLIENT_AND_FEDERATION = ("client", "federation")

MEDIA = "media1"
"""The process with the media repository, where it has one of its own."""

WRITERS = {"events": "events_persister1", "receipts": "receipts_writer"}
"""Names that deploy/synapse/homeserver.yaml has already; that of another writer is made of its stream's."""


ADDING: Mapping[str, object] = {
    "cas_config": {"enabled": True, "server_url": f"http://{HOST}:9/cas"},
    "login_via_existing_session": {"enabled": True, "require_ui_auth": False},
    "federation_whitelist_endpoint_enabled": True,
    "max_event_delay_duration": "24h",
    "retention": {"enabled": True},
    "email": {"notif_from": "nobody@localhost", "smtp_host": HOST, "smtp_port": 9},
    "user_consent": {"version": "1", "template_dir": str(package_folder("synapse") / "res" / "templates")},
}
"""Settings without which Synapse doesn't register an endpoint; nothing listens on port 9."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A deployment, and those of its processes that are asked.

    `writers` names the process that writes each stream where none writes two; `media` is the process with the
    media repository. `optional` are the settings among `settings` without which less is registered.
    """

    name: str
    instances: tuple[Instance, ...]
    asked: tuple[str, ...]
    media: str
    writers: Mapping[str, str]
    settings: Mapping[str, object]
    accounts: bool = True

    def layout(self, folder: Path) -> Layout:
        """In that folder, on ports that are free now."""
        return Layout.free(folder, instances=self.instances, settings=self.settings)


def reference() -> Profile:
    """The shipped deployment; its events persister has a client listener besides, just to be asked."""
    instances = tuple(
        replace(i, client_port=1, resources=CLIENT_AND_FEDERATION) if i.name == "events_persister1" else i
        for i in REFERENCE
    )
    return Profile(
        name="reference",
        instances=instances,
        asked=("main", "generic1", "receipts_writer", "events_persister1"),
        media="main",
        writers={},
        settings={},
    )


def split(*, experimental: bool = True) -> Profile:
    """A writer for each stream, a process for media, and everything switched on that adds endpoints."""
    writers = {stream: WRITERS.get(stream, f"{stream}_writer") for stream in streams()}
    serving = (("main", ("client", "federation", "consent")), ("generic1", CLIENT_AND_FEDERATION))
    instances = [
        *(_instance(name, resources, replication=name == "main") for name, resources in serving),
        _instance(MEDIA, ("media",), replication=True),
        *(_instance(writer, CLIENT_AND_FEDERATION, replication=True) for writer in writers.values()),
    ]
    return Profile(
        name="split",
        instances=tuple(instances),
        asked=tuple(instance.name for instance in instances),
        media=MEDIA,
        writers=writers,
        settings={
            "stream_writers": {stream: [writer] for stream, writer in writers.items()},
            "federation_sender_instances": [],
            "enable_media_repo": False,
            "media_instance_running_background_jobs": MEDIA,
            "experimental_features": dict.fromkeys(experiments(), True) if experimental else {},
            **ADDING,
        },
    )


def mas() -> Profile:
    """Main and a worker that leave accounts to the Matrix Authentication Service, which is not there."""
    return Profile(
        name="mas",
        instances=(
            _instance("main", CLIENT_AND_FEDERATION, replication=True),
            _instance("generic1", CLIENT_AND_FEDERATION, replication=False),
            *(i for i in REFERENCE if i.name in WRITERS.values()),
        ),
        asked=("main", "generic1"),
        media="main",
        writers={},
        settings={
            "matrix_authentication_service": {
                "enabled": True,
                "endpoint": f"http://{HOST}:9/",
                "secret": "nobody has it",
            },
            "password_config": {"enabled": False},
            "enable_registration": False,
            "experimental_features": {"msc4108_enabled": True, "msc4388_mode": "open"},
        },
        accounts=False,
    )


def _instance(name: str, resources: tuple[str, ...], *, replication: bool) -> Instance:
    return Instance(
        name=name, client_port=1, replication_port=1 if replication else None, resources=resources
    )
