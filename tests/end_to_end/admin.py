"""An admin of the homeserver, made at the main process itself, past the router."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets

from router.local.credentials import Credentials
from router.local.layout import Layout
from router.local.loopback import connection
from tests.end_to_end.people import PASSWORD, PATIENCE


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
    asking = connection(layout.listeners(layout["main"])["client"], timeout=PATIENCE)
    try:
        asking.request("GET" if data is None else "POST", path, body=data, headers=headers)
        answer = asking.getresponse()
        text = answer.read()
    finally:
        asking.close()
    assert answer.status == 200, text
    return dict(json.loads(text))
