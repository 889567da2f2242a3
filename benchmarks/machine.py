"""What the numbers were taken on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sysconfig
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.contenders.place import find


def describe() -> dict[str, str]:
    """Processor, system, versions, and how busy the machine was already."""
    packages = ("uvloop", "httptools", "google-re2", "aiohttp")
    return {
        "taken": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_version()}, {_build()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in packages),
        "nginx": _first_line("nginx", "-v"),
        "haproxy": _first_line("haproxy", "-v"),
        "caddy": _first_line("caddy", "version"),
        "wrk": _first_line("wrk", "-v"),
        "load before": "{:.1f} {:.1f} {:.1f} (1, 5, 15 minutes)".format(*os.getloadavg()),
    }


def _build() -> str:
    """How this Python was built: Debian optimises by its own rules, and `posix_local` is its scheme."""
    if "posix_local" in sysconfig.get_scheme_names():
        return "as Debian builds it"
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return f"built {'with' if optimised else 'without'} optimisations"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def _first_line(name: str, option: str) -> str:
    program = find(name)
    if program is None:
        return "not installed"
    ended = subprocess.run([program, option], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return ended.stdout.decode("utf-8", "replace").partition("\n")[0].strip()
