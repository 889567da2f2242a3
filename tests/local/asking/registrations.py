"""Synapse in a process of its own: it changes the interpreter that imports it, and warns while it does."""

from __future__ import annotations

import json
import subprocess
import sys


def synapse_config(program: str) -> list[str]:
    """The list that a Python program prints as JSON."""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, text=True)
    read = json.loads(done.stdout)
    assert isinstance(read, list)
    return [str(item) for item in read]
