"""The aiohttp application on the admin listener: explain, metrics, health, routes and status."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiohttp import web
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from router.admin import explain, page
from router.admin.access import error, guard
from router.admin.state import AdminState
from router.admin.status import is_ready, status_of
from router.admin.table import routes_as_list
from router.errors import ProxyError
from router.observe.exposition import RouterCollector, new_registry


def admin_application(state: AdminState) -> web.Application:
    """Serves the contract's admin endpoints for one process; GET and HEAD only, nothing is ever changed."""
    admin = _Admin(state)
    application = web.Application(middlewares=[guard(lambda: state.config().settings.admin_public)])
    application.add_routes(
        [
            web.get("/", admin.page),
            web.get("/explain", admin.explain),
            web.get("/health", admin.health),
            web.get("/metrics", admin.metrics),
            web.get("/ready", admin.ready),
            web.get("/routes", admin.routes),
            web.get("/status", admin.status),
        ]
    )
    return application


class _Gathered:
    """Families that were gathered before; what `generate_latest` needs of a registry."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


class _Admin:
    """The handlers."""

    def __init__(self, state: AdminState) -> None:
        self._state = state
        collector: Collector = RouterCollector(
            state.metrics,
            state.misroutes,
            version=state.version,
            digest=lambda: state.config().digest,
            endpoints=state.endpoints_up,
            listeners=state.listeners,
            log_dropped=state.log_dropped,
            resolutions=state.resolutions,
            queues=state.queues,
            mirrored=lambda: state.comparison.counts if state.comparison is not None else {},
            closed_connections=state.closed_connections,
            watched=state.endpoints_watched,
        )
        self._registry = new_registry(collector)

    async def page(self, request: web.Request) -> web.Response:
        """The status page, or its plain text for who does not ask for HTML."""
        status = status_of(self._state)
        if "text/html" in request.headers.get("Accept", ""):
            response = web.Response(text=page.as_html(status), content_type="text/html")
            response.headers["Content-Security-Policy"] = page.CONTENT_SECURITY_POLICY
        else:
            response = web.Response(text=page.as_text(status))
        response.headers["Vary"] = "Accept"
        return response

    async def explain(self, request: web.Request) -> web.Response:
        """Which route, upstream and endpoint a request would get, and why."""
        # Not request.query: that reads percent-escapes as UTF-8 and `+` as a blank.
        query = request.raw_path.partition("?")[2].encode("utf-8", "surrogateescape")
        try:
            return web.json_response(explain.answer(self._state, query))
        except explain.BadQuestion as wrong:
            return error(400, str(wrong), explain.USAGE)
        except ProxyError as defect:
            return error(500, defect.message, "an explanation; please report this with your routes.yaml")

    async def health(self, _: web.Request) -> web.Response:
        """The process lives."""
        return web.Response(text="OK")

    async def metrics(self, request: web.Request) -> web.Response:
        """The Prometheus text format, or OpenMetrics where the scraper asks for it."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        # Gathering must see one state; writing it out takes some 25 ms for 71 routes, too long for the loop.
        gathered = _Gathered(self._registry.collect())
        body = await asyncio.to_thread(encode, gathered)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def ready(self, _: web.Request) -> web.Response:
        """200 where every upstream has an endpoint up, else 503 with those that have none."""
        ready = is_ready(self._state)
        body = {"ready": ready, "down": self._state.upstreams_down(), "draining": self._state.draining()}
        return web.json_response(body, status=200 if ready else 503)

    async def routes(self, _: web.Request) -> web.Response:
        """The table as it is served, each line with its place in the file."""
        return web.json_response(routes_as_list(self._state.snapshot().table))

    async def status(self, _: web.Request) -> web.Response:
        """Everything the page shows, as JSON."""
        return web.json_response(status_of(self._state).as_dict())
