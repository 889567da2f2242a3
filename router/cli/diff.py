"""`diff`: run a log through two tables, and say which requests would go elsewhere."""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from router.cli.loading import load_or_say
from router.errors import ConfigError
from router.nginx.importer import import_nginx
from router.settings import Config
from router.shadow.logs import READERS, detect
from router.shadow.replay import Outcome, Replay, Replayed

SAME, DIFFERENT, CANNOT = 0, 1, 2

_LINES_AT_ONCE = 20_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("first", metavar="A", help="a routes.yaml or an nginx.conf")
    parser.add_argument("second", metavar="B", help="another one")
    parser.add_argument(
        "--log", required=True, metavar="FILE", help="the log (.gz too), or - for standard input"
    )
    parser.add_argument(
        "--format", choices=tuple(READERS), help="the log's (default: told from its first lines)"
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="A=B",
        help="an upstream that B calls otherwise; repeatable",
    )
    parser.add_argument("--examples", type=int, default=3, metavar="N", help="of each change (default: 3)")
    parser.add_argument("--progress", action="store_true", help="say how far it is, though nobody looks")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Prints what changes; 0 for nothing, 1 for some requests, 2 where a table or the log cannot be read."""
    names = dict(each.split("=", 1) for each in arguments.map if "=" in each)
    if len(names) != len(arguments.map):
        print("error: `--map` is written as A=B", file=sys.stderr)
        return CANNOT
    tables = [_table(name) for name in (arguments.first, arguments.second)]
    first, second = tables
    if first is None or second is None:
        return CANNOT
    try:
        replay = Replay(first, second, names=names, examples=arguments.examples)
        form, seconds = _read(arguments, replay)
    except (OSError, EOFError, ConfigError) as error:
        print(f"error: {arguments.log}: {error}", file=sys.stderr)
        return CANNOT
    told = replay.told
    if not told.requests:
        print(f"error: {arguments.log}: no request in {told.lines} lines, read as {form}", file=sys.stderr)
        return CANNOT
    if arguments.json:
        print(json.dumps(_as_dict(told, form), indent=2))
    else:
        _print(told, form, seconds, first, second)
    return DIFFERENT if told.changed else SAME


def _table(name: str) -> Config | None:
    """A routes.yaml by its name, anything else is read as nginx does."""
    if name.endswith((".yaml", ".yml")):
        return load_or_say(name)
    imported = import_nginx(name)
    for text in imported.unresolved:
        print(f"unresolved, and answered 503 here: {text}", file=sys.stderr)
    if imported.config is None:
        print(f"error: {name} cannot be read: `import nginx` says why", file=sys.stderr)
    return imported.config


def _read(arguments: argparse.Namespace, replay: Replay) -> tuple[str, float]:
    """Feeds the whole log; gives its format and the seconds that it took."""
    begin = time.monotonic()
    shown = arguments.progress or sys.stderr.isatty()
    with _open(arguments.log) as (file, size, place):
        form, lines = detect(file)
        read = READERS[arguments.format or form]
        while True:
            some = list(islice(lines, _LINES_AT_ONCE))
            if not some:
                break
            replay.feed(some, read)
            if shown:
                _progress(replay.told.lines, time.monotonic() - begin, place() / size if size else 0.0)
    if shown:
        print(file=sys.stderr)
    return arguments.format or form, time.monotonic() - begin


def _progress(lines: int, seconds: float, part: float) -> None:
    """One line of the terminal, written over again and again."""
    rate = lines / max(seconds, 0.001)
    left = f", {part:.0%}, {seconds * (1 - part) / part:.0f} s left" if part else ""
    print(f"\r{lines:,} lines, {rate:,.0f} a second{left}   ", end="", file=sys.stderr, flush=True)


def _print(told: Replayed, form: str, seconds: float, first: Config, second: Config) -> None:
    groups = sorted(told.changed.items(), key=lambda each: -each[1].count)
    for (was, is_), group in groups:
        share = group.count / told.requests
        print(f"{group.count:>9,}  {share:>6.2%}  {_shown(was)}  ->  {_shown(is_)}")
        for example in group.examples:
            print(
                f"{'':>19}{example.encode('unicode_escape').decode('ascii').replace(chr(92) + 'u2026', '…')}"
            )
    if told.unread:
        places = ", ".join(map(str, told.first_unread))
        print(
            f"{told.unread:,} lines are no requests: {places}{', …' * (told.unread > len(told.first_unread))}"
        )
    asked = sorted(_asked_of(first) | _asked_of(second))
    if asked:
        print(f"the tables ask for {', '.join(asked)}: where the log does not tell, it is taken for empty")
    rate = f"{told.lines:,} lines ({form}) in {seconds:.1f} s"
    print(
        f"{told.disagreements:,} of {told.requests:,} requests would go elsewhere | "
        f"{told.refused:,} refused by both before a table is asked | {rate}"
    )


def _asked_of(config: Config) -> set[str]:
    """Facts that conditions ask for and an access log seldom has."""
    asked = (each for route in config.table.routes for each in route.conditions)
    return {
        f"{each.kind} {each.name}".strip()
        for each in asked
        if each.kind in ("header", "cookie", "host", "port")
    }


def _shown(outcome: Outcome) -> str:
    return f"{outcome.does} (route {outcome.route})"


def _as_dict(told: Replayed, form: str) -> dict[str, object]:
    return {
        "requests": told.requests,
        "disagreements": told.disagreements,
        "refused": told.refused,
        "lines": told.lines,
        "format": form,
        "unread": {"lines": told.unread, "first": told.first_unread},
        "changed": [
            {
                "from": {"route": was.route, "does": was.does},
                "to": {"route": is_.route, "does": is_.does},
                "requests": group.count,
                "examples": group.examples,
            }
            for (was, is_), group in sorted(told.changed.items(), key=lambda each: -each[1].count)
        ],
    }


@contextmanager
def _open(name: str) -> Iterator[tuple[Iterable[bytes], int, Callable[[], int]]]:
    """The lines of a log, its size in bytes (0 where nobody knows), and how many of them have been read."""
    if name == "-":
        yield sys.stdin.buffer, 0, lambda: 0
        return
    with Path(name).open("rb") as raw:
        size = Path(name).stat().st_size
        if raw.peek(2)[:2] == b"\x1f\x8b":
            with gzip.open(raw) as unpacked:
                yield unpacked, size, raw.tell
        else:
            yield raw, size, raw.tell
