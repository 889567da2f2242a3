"""`serve`: run the proxy."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from router.app import serve
from router.cli.terminal import coloured
from router.config.codes import Severity
from router.config.diagnostics import Renderer
from router.config.loader import load
from router.config.sections import is_loopback
from router.table import Address, parse_address

DOES_NOT_LOAD = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments, but for `-c`."""
    parser.add_argument(
        "--listen",
        action="append",
        type=_address,
        metavar="ADDR",
        help="host:port, [v6]:port or unix:/path; repeatable, wins over the file",
    )
    parser.add_argument(
        "--admin", type=_address, metavar="ADDR", help="the admin listener, wins over the file"
    )
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="1 until there is a supervisor")


def run(arguments: argparse.Namespace) -> int:
    """Serves until a signal; 2 where the file does not load, 1 where an address cannot be listened on."""
    if arguments.processes != 1:
        print(
            f"error: --processes {arguments.processes}: this version serves with one process;"
            " leave the flag out, or run several routers on addresses of their own",
            file=sys.stderr,
        )
        return DOES_NOT_LOAD
    loaded = load(arguments.config)
    config = loaded.config
    if config is None:
        renderer = Renderer({loaded.document.file: loaded.document.lines}, colour=coloured(sys.stderr))
        for finding in loaded.findings:
            if finding.severity is Severity.ERROR:
                print(renderer.full(finding), file=sys.stderr)
        return DOES_NOT_LOAD
    settings = config.settings
    if arguments.listen:
        settings = dataclasses.replace(settings, listen=tuple(arguments.listen))
    if arguments.admin:
        if not (settings.admin_public or is_loopback(arguments.admin)):
            print(
                f"error: --admin {arguments.admin} is not on loopback; it shows addresses and takes no password:"
                f" write `admin: {{listen: '{arguments.admin}', public: true}}` in {config.file} if that is meant",
                file=sys.stderr,
            )
            return DOES_NOT_LOAD
        settings = dataclasses.replace(settings, admin=(arguments.admin,))
    return serve(dataclasses.replace(config, settings=settings))


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
