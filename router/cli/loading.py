"""A table for a command that needs one, or what is wrong with the file, on standard error."""

from __future__ import annotations

import sys

from router.cli.terminal import coloured
from router.config.codes import Severity
from router.config.diagnostics import Renderer
from router.config.loader import load
from router.settings import Config
from router.table import Address


def load_or_say(
    file: str, *, listen: tuple[Address, ...] = (), admin: Address | None = None
) -> Config | None:
    """The file's `Config`; None after every error of the file has been printed."""
    loaded = load(file, listen=listen, admin=(admin,) if admin else ())
    if loaded.config is not None:
        return loaded.config
    renderer = Renderer({loaded.document.file: loaded.document.lines}, colour=coloured(sys.stderr))
    errors = [finding for finding in loaded.findings if finding.severity is Severity.ERROR]
    for finding in errors:
        print(renderer.full(finding) + "\n", file=sys.stderr)
    noun = "1 error keeps" if len(errors) == 1 else f"{len(errors)} errors keep"
    print(f"{file}: {noun} the table from being served", file=sys.stderr)
    return None
