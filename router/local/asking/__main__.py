"""`make catalogue`: brings up deployments, asks their processes, and writes router/synapse/catalogue.tsv.

Endpoints of federation want a signature of another server, which nobody here has: who serves them is read
from who says 401. `/_synapse/admin`, `/_synapse/mas`, `/_synapse/replication` and `/_synapse/metrics` are
closed by the guard and are not asked for. What wants a package of Python that is not installed here, as
OpenID Connect (`/_synapse/client/oidc`) and SAML (`/_synapse/client/saml2`) do, cannot be asked. Of a
deployment with the Matrix Authentication Service only those endpoints are kept that no other has.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from router.errors import LocalError
from router.local import synapse
from router.local.asking import profiles
from router.local.asking.answers import Told, catalogued
from router.local.asking.asking import ask_processes
from router.local.asking.person import Place
from router.local.asking.profiles import Profile
from router.local.asking.servlets import Servlet, registered
from router.local.credentials import Credentials
from router.local.deployment import Deployment
from router.local.layout import Layout
from router.synapse.catalogue import FILE, Catalogue, written


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the file; exit code 1 if a deployment can't come up or refuses what it is asked for."""
    parser = argparse.ArgumentParser(prog="python -m router.local.asking", description=__doc__)
    parser.add_argument("--output", type=Path, default=FILE)
    options = parser.parse_args(arguments)
    try:
        text = written(ask_all())
    except LocalError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    options.output.write_text(text, encoding="utf-8")
    print(f"{options.output}: {text.count(chr(10))} lines")
    return 0


def ask_all() -> Catalogue:
    """Asks all there is to ask; takes some minutes."""
    by_settings = frozenset().union(*registered_by(profiles.split(experimental=False)).values())
    reference, split, mas = (ask(p) for p in (profiles.reference(), profiles.split(), profiles.mas()))
    endpoints = catalogued(reference, split, mas, by_settings=by_settings)
    return Catalogue(synapse=version("matrix-synapse"), endpoints=endpoints)


def registered_by(profile: Profile) -> dict[str, frozenset[Servlet]]:
    """What each process of a deployment like that would register; none is started."""
    with tempfile.TemporaryDirectory() as folder:
        layout = profile.layout(Path(folder))
        for needed in (layout.config, layout.data):
            needed.mkdir()
        synapse.write_config(layout, Credentials.kept_in(layout.data / "credentials.json"))
        return _registered(profile, layout)


def _registered(profile: Profile, layout: Layout) -> dict[str, frozenset[Servlet]]:
    files = [synapse.config_files(layout, layout[name]) for name in profile.asked]
    return dict(zip(profile.asked, registered(files), strict=True))


def ask(profile: Profile) -> Told:
    """Brings the deployment up, asks its processes, takes it down; raises LocalError."""
    began = time.monotonic()
    print(f"{profile.name:10}", end=" ", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        layout = profile.layout(Path(folder) / "run")
        with Deployment(layout, durable=False):
            known = _registered(profile, layout)
            ports = {i.name: i.client_port for i in layout.instances if i.client_port is not None}
            place = Place(ports=ports, media=profile.media, writers=profile.writers)
            servlets = frozenset().union(*known.values())
            answers = asyncio.run(ask_processes(place, profile.asked, servlets, accounts=profile.accounts))
    print(f"{len(profile.asked)} processes, {len(servlets)} endpoints, {time.monotonic() - began:.0f} s")
    return Told(profile=profile, registered=known, answers=answers)


if __name__ == "__main__":
    sys.exit(main())
