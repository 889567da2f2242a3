"""The command line: one subcommand for one verb, each in a file of its own."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from router.cli import check, diff, explain, import_, serve
from router.cli.terminal import version
from router.modules import running

USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status; 2 for a command line that cannot be read."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A path of a file may hold any byte, and a terminal may take less than UTF-8.
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    arguments, surplus = parser.parse_known_args(argv)
    if surplus:
        # They are counted and not shown: one may be a token.
        parser.error(f"{len(surplus)} argument(s) too many; put quotes around what holds a space")
    try:
        status = int(arguments.run(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read this, `head` say, has seen enough; nothing may be flushed to it on the way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="synapse-router",
        description="A reverse proxy for Matrix Synapse workers that explains every decision.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"synapse-router {version()}, {running().modules} modules"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module, what in (
        ("serve", serve, "run the proxy"),
        ("check", check, "say everything that is wrong with a routes.yaml"),
        ("explain", explain, "say where a request goes, and why"),
    ):
        command = commands.add_parser(name, help=what, description=module.__doc__, allow_abbrev=False)
        command.add_argument(
            "-c", "--config", default="routes.yaml", metavar="FILE", help="the table (default: routes.yaml)"
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    command = commands.add_parser(
        "import", help="make a routes.yaml of an nginx.conf", description=import_.__doc__, allow_abbrev=False
    )
    import_.add_arguments(command)
    command.set_defaults(run=import_.run)
    command = commands.add_parser(
        "diff",
        help="which requests of a log two tables treat otherwise",
        description=diff.__doc__,
        allow_abbrev=False,
    )
    diff.add_arguments(command)
    command.set_defaults(run=diff.run)
    return parser
