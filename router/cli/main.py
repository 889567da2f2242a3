"""The command line: one verb, one file."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path

from router.cli.terminal import version

VERBS = {
    "serve": "run the proxy",
    "check": "say everything that is wrong with a routes.yaml",
    "explain": "say where one request goes, and why",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb; returns the exit status. A verb's module declares `add_arguments` and `run`."""
    parser = argparse.ArgumentParser(
        prog="synapse-router", description="A reverse proxy for Matrix Synapse workers."
    )
    parser.add_argument("--version", action="version", version=f"synapse-router {version()}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        verb.add_argument(
            "-c", "--config", type=Path, default=Path("routes.yaml"), help="the file (default: routes.yaml)"
        )
        module = importlib.import_module(f"router.cli.{name}")
        module.add_arguments(verb)
        verb.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    return int(options.run(options))
