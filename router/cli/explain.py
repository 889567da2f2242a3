"""`explain`: say where a request goes and why; needs no running router and takes every endpoint for up."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import sys
from collections.abc import Iterable
from typing import BinaryIO

from router.cli.loading import load_or_say
from router.errors import ConfigError, DownstreamError
from router.proxy.admission import admit, explain_sent, is_field_text
from router.proxy.trust import Trust
from router.routing.decision import Forward, decide
from router.routing.limits import body_limit
from router.routing.rendering import render
from router.routing.snapshot import Snapshot
from router.routing.view import EveryEndpointUp
from router.settings import Settings

DECIDED, CANNOT = 0, 2

Header = tuple[bytes, bytes]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments, but for `-c`."""
    parser.add_argument(
        "request", nargs="*", metavar="METHOD TARGET", help="as GET '/_matrix/client/v3/sync?since=s1'"
    )
    parser.add_argument(
        "-H",
        "--header",
        action="append",
        default=[],
        type=_header,
        metavar="'Name: value'",
        help="a header of the request; repeatable",
    )
    parser.add_argument(
        "--client",
        default="127.0.0.1",
        type=_client,
        metavar="IP",
        help="the address that connects (default: 127.0.0.1; '' for a unix socket)",
    )
    parser.add_argument(
        "--port",
        type=int,
        metavar="PORT",
        help="the listener's port (default: that of the first listener)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--batch",
        action="store_true",
        help="read METHOD TARGET lines, as raw bytes, and print one upstream a line, or - where the router "
        "answers by itself",
    )


def run(arguments: argparse.Namespace) -> int:
    """Prints the decision; 0 once it is made, refusals included, 2 where it cannot be."""
    asked = _request(arguments.request)
    if arguments.batch == bool(arguments.request) or (not arguments.batch and asked is None):
        print(
            "error: write `explain METHOD TARGET`, or `explain --batch` with such lines on standard input",
            file=sys.stderr,
        )
        return CANNOT
    config = load_or_say(arguments.config)
    if config is None:
        return CANNOT
    try:
        snapshot = Snapshot.build(config.table, config.settings.guard)
    except ConfigError as error:
        print(f"error: {error}\n{error.hint}", file=sys.stderr)
        return CANNOT
    headers: list[Header] = arguments.header
    if asked is None:
        sys.stdout.flush()
        lines, out = sys.stdin.buffer, sys.stdout.buffer
        client, port = arguments.client, arguments.port
        batch(snapshot, config.settings, lines, out, headers=headers, client=client, port=port)
        return DECIDED
    method, target = asked
    explanation = explain_sent(
        snapshot,
        EveryEndpointUp(),
        config.settings,
        method=method,
        target=target,
        headers=headers,
        client=arguments.client,
        port=arguments.port,
    )
    print(json.dumps(explanation.as_dict(), indent=2) if arguments.json else render(explanation))
    return DECIDED


def batch(
    snapshot: Snapshot,
    settings: Settings,
    lines: Iterable[bytes],
    out: BinaryIO,
    *,
    headers: list[Header],
    client: str,
    port: int | None = None,
) -> None:
    """One line out for each line in, `-` where the router answers by itself."""
    view = EveryEndpointUp()
    limits, trust = settings.limits, Trust(settings.trusted_proxies)
    asked_at = settings.listen[0].port if port is None else port
    for line in lines:
        method, _, target = line.removesuffix(b"\n").partition(b" ")
        name = "-"
        try:
            message, head = admit(
                method=method.decode("latin-1"),
                target=target,
                headers=headers,
                client=client,
                limits=limits,
                trust=trust,
                port=asked_at,
            )
            decision = decide(snapshot, head, view)
            if isinstance(decision, Forward) and message.content_length <= body_limit(
                decision.route, head.path, limits
            ):
                name = decision.upstream.name
        except DownstreamError:
            pass
        out.write(name.encode() + b"\n")
    out.flush()


def _request(words: list[str]) -> tuple[str, bytes] | None:
    """Method (its bytes as Latin-1) and target out of two arguments, or out of one with a space in it."""
    if len(words) == 1:
        words = words[0].split(" ", 1)
    return (os.fsencode(words[0]).decode("latin-1"), os.fsencode(words[1])) if len(words) == 2 else None


def _header(text: str) -> Header:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or name != name.strip():
        # The value may be a token, so it is not shown.
        raise argparse.ArgumentTypeError("a header is written as 'Name: value'")
    if not is_field_text(os.fsencode(text)):
        raise argparse.ArgumentTypeError("a header is one line: CR, LF and NUL cannot be sent in it")
    return os.fsencode(name).lower(), os.fsencode(value.strip(" \t"))


def _client(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address") from None
