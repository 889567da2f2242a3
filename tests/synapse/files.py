"""Small files of Synapse's for tests."""

from __future__ import annotations

from pathlib import Path

HOMESERVER = """\
server_name: localhost
max_upload_size: 50M
listeners:
- {port: 8008, type: http, bind_addresses: [127.0.0.1], x_forwarded: true, resources: [{names: [client]}]}
- {port: 9093, type: http, bind_addresses: [127.0.0.1], resources: [{names: [replication]}]}
- {port: 19100, type: metrics}
manhole: 19000
instance_map:
  main: {host: 127.0.0.1, port: 9093}
  persister: {path: /run/synapse/persister.sock}
stream_writers:
  events: persister
  receipts: [persister, generic1]
"""

WORKER = """\
worker_app: synapse.app.generic_worker
worker_name: generic1
worker_listeners:
- {port: 8101, type: http, bind_addresses: [127.0.0.1], x_forwarded: true, resources: [{names: [client]}]}
"""

PERSISTER = """\
worker_app: synapse.app.generic_worker
worker_name: persister
worker_listeners:
- {path: /run/synapse/persister.sock, type: http, resources: [{names: [replication]}]}
"""


def write(path: Path, text: str) -> Path:
    """Writes a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
