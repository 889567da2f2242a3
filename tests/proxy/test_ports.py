"""A route can ask for the port of the listener: federation on its own, say."""

from __future__ import annotations

from router.settings import Listener
from router.table import Condition, Pattern, Route, RouteTable, TcpAddress, Upstream
from tests.dialogues import Hire, Serve
from tests.real_nginx import free_ports
from tests.wire import answer
from tests.worker import OK

GET = b"GET /_matrix/key/v2/server HTTP/1.1\r\nHost: h\r\n\r\n"


async def test_two_listeners_of_one_table(serve: Serve, workers: Hire) -> None:
    clients, federation = free_ports(2)
    worker = workers()
    table = RouteTable(
        routes=(
            Route(
                name="federation",
                pattern=Pattern(text="^/_matrix/key/"),
                conditions=(Condition(kind="port", pattern=rf"^{federation}$"),),
                upstream="main",
            ),
        ),
        upstreams={"main": Upstream(name="main", endpoints=(worker.endpoint,))},
    )
    for port, status in ((federation, 200), (clients, 404)):
        listener = Listener(address=TcpAddress(host="127.0.0.1", port=port))
        proxy = await serve(worker.endpoint, table=table, listener=listener)
        client = await proxy.ask(GET)
        if status == 200:
            peer = await worker.asked()
            await peer.send(OK)
        assert (await answer(client)).status == status
