"""`import`: write the routes.yaml that decides as an nginx.conf does, and name what is not carried over."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from router.cli.terminal import coloured
from router.config.codes import Severity
from router.config.diagnostics import Renderer
from router.config.findings import Finding
from router.config.writer import write
from router.nginx.importer import Imported, import_nginx

CLEAN, FINDINGS, UNREADABLE = 0, 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    kinds = parser.add_subparsers(title="what to import", metavar="KIND", required=True)
    nginx = kinds.add_parser("nginx", help="an nginx.conf, its includes too", allow_abbrev=False)
    nginx.add_argument(
        "file", metavar="FILE", help="the nginx.conf, or one file of it with its maps and upstreams"
    )
    nginx.add_argument(
        "-o", "--output", metavar="FILE", help="the routes.yaml to write (default: standard output)"
    )
    nginx.add_argument("--server", metavar="NAME", help="import the servers of that name alone")
    nginx.add_argument("--force", action="store_true", help="write over a file that is there")


def run(arguments: argparse.Namespace) -> int:
    """Writes the table; 0 where all was carried over, 1 with findings, 2 where nothing could be read."""
    imported = import_nginx(arguments.file, server=arguments.server)
    _print(imported.findings)
    errors = len(imported.unresolved)
    if imported.config is None:
        print(f"{arguments.file}: nothing is imported", file=sys.stderr)
        return UNREADABLE
    text = write(imported.config, comments=_head(arguments.file, imported), unresolved=imported.unresolved)
    if arguments.output is None:
        print(text, end="")
    elif Path(arguments.output).exists() and not arguments.force:
        print(f"error: {arguments.output} is there already: write --force, or another name", file=sys.stderr)
        return UNREADABLE
    else:
        Path(arguments.output).write_text(text, encoding="utf-8")
    routes, upstreams = len(imported.config.table.routes) - 1, len(imported.config.table.upstreams)
    print(
        f"{arguments.file}: {routes} routes, {upstreams} upstreams | {errors} unresolved, "
        f"{len(imported.findings) - errors} to know"
        + (" | it is not served before `unresolved:` is empty" if errors else ""),
        file=sys.stderr,
    )
    return FINDINGS if imported.findings else CLEAN


def _head(file: str, imported: Imported) -> list[str]:
    warnings = [each for each in imported.findings if each.severity is Severity.WARNING]
    return [
        f"Imported from {file}. First match wins; the numbers in names are lines there.",
        *(f"{each.code} {each.source}: {each.message}" for each in warnings),
    ]


def _print(findings: tuple[Finding, ...]) -> None:
    """As `check` prints them, with the lines of whatever files they are in."""
    lines = {}
    for file in {each.source.file for each in findings if each.source}:
        try:
            lines[file] = Path(file).read_text(encoding="utf-8", errors="backslashreplace").splitlines()
        except OSError:
            lines[file] = []
    renderer = Renderer({name: tuple(each) for name, each in lines.items()}, colour=coloured(sys.stderr))
    for finding in findings:
        print(renderer.concise(finding), file=sys.stderr)
