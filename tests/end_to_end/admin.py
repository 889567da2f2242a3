"""An admin of the homeserver, made at the main process itself, past the router."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import urllib.request

from router.local.credentials import Credentials
from router.local.layout import HOST, Layout
from tests.end_to_end.people import PASSWORD


def admin_token(layout: Layout) -> str:
    """The token of a new admin, which opens the admin API on the main process's own port."""
    nonce = _main(layout, "/_synapse/admin/v1/register")["nonce"]
    name = f"root-{secrets.token_hex(3)}"
    secret = Credentials.kept_in(layout.data / "credentials.json").registration_shared_secret
    text = "\0".join((str(nonce), name, PASSWORD, "admin"))
    mac = hmac.new(secret.encode(), text.encode(), hashlib.sha1).hexdigest()
    new = {"nonce": nonce, "username": name, "password": PASSWORD, "admin": True, "mac": mac}
    token = str(_main(layout, "/_synapse/admin/v1/register", content=new)["access_token"])
    assert "users" in _main(layout, "/_synapse/admin/v2/users", token=token)
    return token


def _main(layout: Layout, path: str, *, content: object = None, token: str = "") -> dict[str, object]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(
        f"http://{HOST}:{layout['main'].client_port}{path}", data=data, headers=headers
    )
    with urllib.request.urlopen(request) as answer:
        return dict(json.load(answer))
