"""`check`: load a file, look at its table, and say everything that is wrong with it."""

from __future__ import annotations

import argparse
import sys
import textwrap
import time

from router.cli.terminal import coloured, version
from router.config.codes import CODES, Severity
from router.config.diagnostics import WIDTH, Renderer, Summary
from router.config.findings import Finding, in_file_order
from router.config.lint import lint
from router.config.loader import Loaded, load
from router.config.reports import as_github, as_json, as_sarif

FORMATS = ("full", "concise", "json", "github", "sarif")

CLEAN, FINDINGS, DOES_NOT_LOAD = 0, 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments, but for `-c`."""
    parser.add_argument("--output-format", choices=FORMATS, default="full", help="full for people (default)")
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="no summary: nothing at all on a clean file"
    )
    parser.add_argument("--explain", metavar="CODE", help="say what a code means, as R110, and read no file")


def run(arguments: argparse.Namespace) -> int:
    """Prints the findings; 0 for a clean file, 1 for findings, 2 where no table can be served."""
    if arguments.explain is not None:
        return _explain(arguments.explain)
    begin = time.perf_counter()
    loaded = load(arguments.config)
    findings = in_file_order((*loaded.findings, *lint(loaded)), loaded.document.file)
    summary = _summary(loaded, findings, round((time.perf_counter() - begin) * 1000))
    _print(arguments, loaded, findings, summary)
    if loaded.config is None:
        return DOES_NOT_LOAD
    return FINDINGS if findings else CLEAN


def _print(
    arguments: argparse.Namespace, loaded: Loaded, findings: tuple[Finding, ...], summary: Summary
) -> None:
    form = arguments.output_format
    if form == "json":
        print(as_json(findings, summary))
    elif form == "sarif":
        print(as_sarif(findings, version()))
    elif form == "github":
        print(as_github(findings, summary))
    else:
        renderer = Renderer({loaded.document.file: loaded.document.lines}, colour=coloured(sys.stdout))
        for finding in findings:
            print(renderer.concise(finding) if form == "concise" else renderer.full(finding) + "\n")
        if not arguments.quiet:
            print(summary)
            if findings and form == "full":
                print(f"more: synapse-router check --explain {findings[0].code}")


def _summary(loaded: Loaded, findings: tuple[Finding, ...], milliseconds: int) -> Summary:
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    upstreams = loaded.upstreams.values()
    return Summary(
        file=loaded.document.file,
        errors=errors,
        warnings=len(findings) - errors,
        routes=len({route.name for route in loaded.routes}),
        patterns=len(loaded.routes),
        upstreams=len(upstreams),
        endpoints=len({endpoint.address for upstream in upstreams for endpoint in upstream.endpoints}),
        milliseconds=milliseconds,
    )


def _explain(wanted: str) -> int:
    code = CODES.get(wanted.upper())
    if code is None:
        print(f"{wanted!r} is no code; these are: {', '.join(CODES)}", file=sys.stderr)
        return DOES_NOT_LOAD
    print(f"{code.severity.value}[{code.code}]: {code.title}\n")
    print(textwrap.fill(f"{code.why[0].upper()}{code.why[1:]}.", WIDTH))
    return CLEAN
