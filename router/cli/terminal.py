"""What the command line may show: colours, and its version."""

from __future__ import annotations

import importlib.metadata
import os
from typing import TextIO


def coloured(stream: TextIO) -> bool:
    """Whether to write colours: to a terminal that has them, and not against NO_COLOR (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def version() -> str:
    """The version of the installed package."""
    return importlib.metadata.version("synapse-router")
