"""Puts the compiled modules into a wheel, where HATCH_BUILD_HOOKS_ENABLE=true asks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledModules(BuildHookInterface):  # type: ignore[type-arg] # generic in its configuration, of which there is none
    """The build hook that hatchling finds here."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable build has the modules beside its sources, by `make setup`."""
        if version == "editable":
            return
        subprocess.run([sys.executable, Path(self.root, "compiling.py")], check=True)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"].append("/router/compiled/")
