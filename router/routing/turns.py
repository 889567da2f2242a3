"""The policies that hash nothing: whose turn it is, and who has the least to do."""

from __future__ import annotations

from router.request import RequestHead
from router.routing.balancer import Balancer, Choice
from router.routing.peers import Peers
from router.routing.view import EndpointView
from router.table import Upstream


class Single(Balancer):
    """One endpoint: nothing to choose, and nginx neither hashes nor rotates, nor counts what fails."""

    __slots__ = ("_endpoint", "_up")

    def __init__(self, upstream: Upstream) -> None:
        self._endpoint = upstream.endpoints[0]
        self._up: Choice = (() if self._endpoint.down else upstream.endpoints, b"", None)

    def choose(self, head: RequestHead, view: EndpointView) -> Choice:  # noqa: ARG002 -- the protocol's
        """The endpoint, unless the file or its health checks say that it is down."""
        return self._up if view.passes_checks(self._endpoint) else ((), b"", None)


class RoundRobin(Balancer):
    """Smooth weighted round robin, its rotation read from the view."""

    __slots__ = ("_peers",)

    def __init__(self, upstream: Upstream) -> None:
        self._peers = Peers(upstream)

    def choose(self, head: RequestHead, view: EndpointView) -> Choice:  # noqa: ARG002 -- the protocol's
        """Whose turn it is, then whose it would be without that one, and so on."""
        return self._peers.in_turn(view, self._peers.up(view), b"")


class LeastConn(Balancer):
    """nginx `least_conn`: the fewest requests under way for its weight, among equals by round robin.

    Source: ngx_http_upstream_least_conn_module.c. nginx counts each upstream's own; here all that are under
    way to an address count, in whatever upstreams it stands.
    """

    __slots__ = ("_peers",)

    def __init__(self, upstream: Upstream) -> None:
        self._peers = Peers(upstream)

    def choose(self, head: RequestHead, view: EndpointView) -> Choice:  # noqa: ARG002 -- the protocol's
        """Who has the least to do, then who has without that one, and so on."""
        return self._peers.by_load(view, self._peers.up(view))
