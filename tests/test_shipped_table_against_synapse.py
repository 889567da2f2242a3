"""Every endpoint of Synapse, asked for through the router: none comes to a process that does not know it."""

from __future__ import annotations

import json
from collections.abc import Callable

import aiohttp

from router.local.deployment import Deployment
from router.synapse.catalogue import CataloguedEndpoint, shipped

UNRECOGNISED = {404, 405}
"""What Synapse answers, before it asks for credentials, in a process that has no such endpoint."""


async def unrecognised(session: aiohttp.ClientSession, endpoint: CataloguedEndpoint, base_url: str) -> bool:
    body = b"{}" if endpoint.method in ("POST", "PUT") else None
    url = f"{base_url}{endpoint.target}"
    async with session.request(endpoint.method, url, data=body, allow_redirects=False) as answer:
        text = await answer.text()
    if answer.status not in UNRECOGNISED:
        return False
    try:
        return bool(json.loads(text)["errcode"] == "M_UNRECOGNIZED")
    except ValueError:
        return False


async def test_no_endpoint_is_asked_of_a_process_without_it(
    deployment: Deployment, tally: Callable[[str], None]
) -> None:
    """Without credentials, which come after; what Synapse registers with other settings only is left out."""
    asked = [endpoint for endpoint in shipped().endpoints if not endpoint.only_with]
    base_url = deployment.layout.base_url
    async with aiohttp.ClientSession() as session:
        unknown = [
            f"{endpoint.method} {endpoint.target}"
            for endpoint in asked
            if await unrecognised(session, endpoint, base_url)
        ]
    tally(f"through the router, {len(asked) - len(unknown)} of {len(asked)} endpoints came to who has them")
    assert unknown == ["GET /"]  # closed by choice
