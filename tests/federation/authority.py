"""A certificate authority for one test run, and what its certificates are for: names on this machine."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """PEM files of a server on this machine."""

    chain: Path
    key: Path


class Authority:
    """Signs for `localhost` and 127.0.0.1; whoever is to believe it gets `file`, or `context`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self.file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.file))
        self.context = ssl.create_default_context(cafile=str(self.file))
        """For a client, which verifies the names too."""

    def certificate(self, name: str) -> Certificate:
        """A new one, in files of that name."""
        issued = self._ca.issue_cert("localhost", "127.0.0.1")
        made = Certificate(chain=self._folder / f"{name}.pem", key=self._folder / f"{name}.key")
        for blob in issued.cert_chain_pems:
            blob.write_to_path(str(made.chain), append=True)
        issued.private_key_pem.write_to_path(str(made.key))
        made.key.chmod(0o600)
        return made
