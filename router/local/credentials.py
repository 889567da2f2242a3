"""The passwords and keys of one local deployment: drawn once, kept with its data."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One random text for each thing that wants one; all are safe in YAML, SQL and URLs."""

    postgres_superuser_password: str
    postgres_password: str
    valkey_password: str
    worker_replication_secret: str
    registration_shared_secret: str
    macaroon_secret_key: str
    form_secret: str

    @classmethod
    def kept_in(cls, file: Path) -> Credentials:
        """Those of the file; makes the file, readable for its owner alone, if it is not there."""
        if file.exists():
            return cls(**json.loads(file.read_text(encoding="ascii")))
        drawn = cls(**{field.name: secrets.token_hex(32) for field in fields(cls)})
        file.touch(mode=0o600)
        file.write_text(json.dumps(asdict(drawn), indent=2), encoding="ascii")
        return drawn
