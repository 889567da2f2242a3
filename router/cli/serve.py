"""`serve`: run the proxy until a signal ends it."""

from __future__ import annotations

import argparse
import sys

from router.cli.loading import load_or_say
from router.config.listeners import is_loopback
from router.settings import Config
from router.table import Address, parse_address

CANNOT = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments, but for `-c`."""
    parser.add_argument(
        "--listen",
        action="append",
        type=_address,
        metavar="ADDR",
        help="in place of the file's `listen`: host:port, [v6]:port or unix:/path; repeatable",
    )
    parser.add_argument(
        "--admin", type=_address, metavar="ADDR", help="the admin listener, in place of the file's `admin`"
    )
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="how many processes serve: 1")


def run(arguments: argparse.Namespace) -> int:
    """Serves; 2 where the table cannot be served, otherwise what became of the process."""
    if arguments.processes != 1:
        print(
            f"error: --processes {arguments.processes}: there is no supervisor yet, so one process serves; "
            "write --processes 1 or leave it out",
            file=sys.stderr,
        )
        return CANNOT
    config = load_or_say(arguments.config, listen=tuple(arguments.listen or ()), admin=arguments.admin)
    if config is None:
        return CANNOT
    admin = arguments.admin
    if admin is not None and not is_loopback(admin) and not config.settings.admin_public:
        print(
            f"error: --admin {admin} is not on loopback, and the admin listener has no login; "
            f"if that is meant, write `admin: {{listen: '{admin}', public: true}}` in {config.file}",
            file=sys.stderr,
        )
        return CANNOT
    return serve_config(config)


def serve_config(config: Config) -> int:
    """Serves until a signal; the exit status."""
    # Imported here, since `check` and `explain` need neither a loop nor a listener and start faster without.
    from router.app import serve  # noqa: PLC0415

    return serve(config)


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
