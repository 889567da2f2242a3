from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from router.local.deployment import Deployment
from router.local.proof import ProofFailed, prove

NAMES = ("carol", "dave")


async def test_a_working_homeserver_is_proved_again_and_again(deployment: Deployment) -> None:
    base = f"http://127.0.0.1:{deployment.layout['main'].client_port}"

    first = await prove(base, names=NAMES, password="secret-pass")
    second = await prove(base, names=NAMES, password="secret-pass")

    assert first.users == second.users == ("@carol:localhost", "@dave:localhost")
    assert first.room == second.room
    assert first.event != second.event


async def test_somebody_elses_name_is_no_proof(deployment: Deployment) -> None:
    base = f"http://127.0.0.1:{deployment.layout['main'].client_port}"
    await prove(base, names=("erin", "frank"), password="secret-pass")

    with pytest.raises(ProofFailed, match="POST /login answered 403"):
        await prove(base, names=("erin", "frank"), password="another-pass")


async def test_a_server_that_answers_something_else_is_told() -> None:
    async def wrong(_: web.Request) -> web.Response:
        return web.json_response({"errcode": "M_UNRECOGNIZED"}, status=404)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", wrong)
    async with TestServer(application, host="127.0.0.1") as server:
        with pytest.raises(ProofFailed, match=r"POST /register answered 404: .*M_UNRECOGNIZED"):
            await prove(f"http://127.0.0.1:{server.port}", names=NAMES, password="secret-pass")


async def test_a_closed_registration_is_told_in_the_servers_words() -> None:
    async def closed(_: web.Request) -> web.Response:
        return web.json_response({"errcode": "M_FORBIDDEN", "error": "Not today"}, status=400)

    application = web.Application()
    application.router.add_post("/_matrix/client/v3/register", closed)
    async with TestServer(application, host="127.0.0.1") as server:
        with pytest.raises(ProofFailed, match="carol can't be registered: Not today"):
            await prove(f"http://127.0.0.1:{server.port}", names=NAMES, password="secret-pass")


async def test_no_server_at_all_is_told(unused_tcp_port: int) -> None:
    with pytest.raises(ProofFailed, match="POST /register got no answer"):
        await prove(f"http://127.0.0.1:{unused_tcp_port}", names=NAMES, password="secret-pass")
