from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from router.errors import ProcessFailed
from router.local import postgres
from router.local.credentials import Credentials
from router.local.layout import Layout
from router.local.processes import Process, wait_until_ready
from tests.absence import need_root


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout.free(tmp_path)
    for folder in (made.config, made.data, made.logs):
        folder.mkdir()
    return made


@pytest.fixture
def credentials(layout: Layout) -> Credentials:
    return Credentials.kept_in(layout.data / "credentials.json")


@pytest.fixture
def server(layout: Layout, credentials: Credentials) -> Iterator[Process]:
    postgres.ensure_cluster(layout, credentials)
    process = Process(postgres.program(layout, credentials, durable=False))
    process.start()
    try:
        wait_until_ready([process])
        yield process
    finally:
        process.stop()


@pytest.mark.usefixtures("server")
def test_synapse_gets_a_database_of_its_own(layout: Layout, credentials: Credentials) -> None:
    postgres.ensure_database(layout, credentials)
    postgres.ensure_database(layout, credentials)

    connection = psycopg2.connect(
        host="127.0.0.1",
        port=layout.postgres_port,
        user="synapse",
        password=credentials.postgres_password,
        dbname="synapse",
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT datcollate, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'synapse'"
            )
            assert cursor.fetchone() == ("C", "UTF8")
            cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'synapse'")
            assert cursor.fetchone() == (False,)
    finally:
        connection.close()


@pytest.mark.usefixtures("server")
def test_a_new_database_is_up_to_date_after_its_last_background_update(
    layout: Layout, credentials: Credentials
) -> None:
    postgres.ensure_database(layout, credentials)
    connection = psycopg2.connect(
        host="127.0.0.1",
        port=layout.postgres_port,
        user="synapse",
        password=credentials.postgres_password,
        dbname="synapse",
    )
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE background_updates (update_name text)")
            cursor.execute("INSERT INTO background_updates VALUES ('fill'), ('clean up')")
            assert not postgres.is_up_to_date(layout, credentials)
            cursor.execute("DELETE FROM background_updates WHERE update_name = 'fill'")
            assert not postgres.is_up_to_date(layout, credentials)
            cursor.execute("DELETE FROM background_updates")
            assert postgres.is_up_to_date(layout, credentials)
    finally:
        connection.close()


def test_nobody_gets_in_without_the_password(
    server: Process, layout: Layout, credentials: Credentials
) -> None:
    guess = replace(credentials, postgres_superuser_password="postgres")

    assert server.program.ready()
    assert not postgres.program(layout, guess, durable=False).ready()


def test_it_never_runs_as_root(server: Process) -> None:
    assert server.pid is not None
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0


def test_a_cluster_is_kept_and_half_a_one_is_not(layout: Layout, credentials: Credentials) -> None:
    unfinished = layout.data / "postgres.unfinished"
    unfinished.mkdir()
    (unfinished / "rest").touch()
    postgres.ensure_cluster(layout, credentials)
    assert not unfinished.exists()
    made = (postgres.cluster(layout) / "PG_VERSION").stat().st_mtime_ns

    postgres.ensure_cluster(layout, credentials)

    assert (postgres.cluster(layout) / "PG_VERSION").stat().st_mtime_ns == made
    assert not list(layout.config.iterdir())


def test_what_initdb_says_is_told(
    layout: Layout, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "BINARIES", layout.data)
    (layout.data / "initdb").write_text("#!/bin/sh\necho no room; exit 4\n")
    (layout.data / "initdb").chmod(0o755)

    with pytest.raises(ProcessFailed, match=r"initdb ended with exit code 4:\nno room"):
        postgres.ensure_cluster(layout, credentials)

    assert not postgres.cluster(layout).exists()


def test_as_root_the_owner_of_a_kept_cluster_goes_on(layout: Layout) -> None:
    need_root("own a folder of somebody else")
    assert postgres.system_user(layout) == (65534, 65534)
    postgres.cluster(layout).mkdir()
    assert postgres.system_user(layout) == (65534, 65534)
    os.chown(postgres.cluster(layout), 1234, 1235)
    assert postgres.system_user(layout) == (1234, 1235)
