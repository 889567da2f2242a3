"""The names that Prometheus sees: turns the process's counters into families at a scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from router.observe.listeners import ListenerState, families_of
from router.observe.metrics import Histogram, Metrics, RouteCounters
from router.observe.misroutes import Misroutes
from router.upstream.state import EndpointState

EndpointUp = tuple[str, str, bool]
"""An upstream's name, an endpoint's name, and whether it is up."""

Resolution = tuple[str, str, int]
"""A name that DNS is asked for, how the questions ended, and how many did."""


class RouterCollector(Collector):
    """Reads one process's metrics, and what others know, when it is asked.

    `endpoints` gives every endpoint of every upstream with whether it is up, `listeners` those that
    clients connect to, `log_dropped` the access log's `dropped`, `digest` the configuration's,
    `resolutions` how often each name was asked for, `closed_connections` the connections of clients
    that a limit ended, by reason, `watched` the state of each endpoint, `queues` how
    many requests wait for each upstream, `mirrored` requests by route and result.
    """

    def __init__(
        self,
        metrics: Metrics,
        misroutes: Misroutes,
        *,
        version: str,
        digest: Callable[[], str],
        endpoints: Callable[[], Iterable[EndpointUp]],
        listeners: Callable[[], Iterable[ListenerState]],
        log_dropped: Callable[[], int],
        resolutions: Callable[[], Iterable[Resolution]] = tuple,
        closed_connections: Callable[[], Mapping[str, int]] = dict,
        watched: Callable[[], Iterable[EndpointState]] = tuple,
        queues: Callable[[], Iterable[tuple[str, int]]] = tuple,
        mirrored: Callable[[], Mapping[tuple[str, str], int]] = dict,
    ) -> None:
        self._metrics = metrics
        self._misroutes = misroutes
        self._version = version
        self._digest = digest
        self._endpoints = endpoints
        self._listeners = listeners
        self._log_dropped = log_dropped
        self._resolutions = resolutions
        self._mirrored = mirrored
        self._closed_connections = closed_connections
        self._watched = watched
        self._queues = queues

    def collect(self) -> Iterator[Metric]:
        """All families, with those that have no series yet."""
        yield self._requests()
        yield from self._routes()
        yield self._errors()
        yield from self._wrong_processes()
        up = GaugeMetricFamily(
            "router_endpoint_up",
            "1 where requests may be sent to the endpoint.",
            labels=("upstream", "endpoint"),
        )
        for upstream, endpoint, is_up in self._endpoints():
            up.add_metric((upstream, endpoint), int(is_up))
        yield up
        yield from self._health()
        resolutions = CounterMetricFamily(
            "router_resolutions",
            "Questions for names of endpoints, by whether they were answered.",
            labels=("name", "result"),
        )
        for name, result, count in self._resolutions():
            resolutions.add_metric((name, result), count)
        yield resolutions
        yield from families_of(self._listeners())
        waiting = GaugeMetricFamily(
            "router_upstream_queue",
            "Requests that wait for an endpoint to have room, or to come up.",
            labels=("upstream",),
        )
        for upstream, count in self._queues():
            waiting.add_metric((upstream,), count)
        yield waiting
        closed = CounterMetricFamily(
            "router_connections_closed",
            "Connections of clients that were closed or turned away because of a limit, by reason.",
            labels=("reason",),
        )
        for reason, count in self._closed_connections().items():
            closed.add_metric((reason,), count)
        yield closed
        yield CounterMetricFamily(
            "router_log_dropped", "Access log lines that could not be written.", value=self._log_dropped()
        )
        yield _info("router_build", "The router's version.", {"version": self._version})
        yield _info("router_config", "The configuration that is served.", {"digest": self._digest()})

    def _requests(self) -> Metric:
        family = CounterMetricFamily(
            "router_requests",
            "Requests that have ended.",
            labels=("route", "upstream", "endpoint", "method", "status"),
        )
        for labels, count in self._metrics.requests.items():
            family.add_metric(labels, count)
        return family

    def _routes(self) -> Iterator[Metric]:
        routes = self._metrics.routes
        for name, text, histogram in _HISTOGRAMS:
            durations = HistogramMetricFamily(name, text, labels=("route",))
            for route, counters in routes.items():
                values = histogram(counters)
                durations.add_metric((route,), list(values.cumulative()), values.total)
            yield durations
        for name, text, count in _COUNTERS:
            total = CounterMetricFamily(name, text, labels=("route",))
            for route, counters in routes.items():
                total.add_metric((route,), count(counters))
            yield total
        in_flight = GaugeMetricFamily(
            "router_requests_in_flight", "Requests that have not ended.", labels=("route",)
        )
        for route, counters in routes.items():
            in_flight.add_metric((route,), counters.in_flight)
        yield in_flight

    def _errors(self) -> Metric:
        family = CounterMetricFamily(
            "router_errors",
            "Requests that the router answered itself, or broke off, by reason.",
            labels=("route", "reason"),
        )
        for route, counters in self._metrics.routes.items():
            for reason, count in counters.errors.items():
                family.add_metric((route, reason), count)
        return family

    def _health(self) -> Iterator[Metric]:
        checks = CounterMetricFamily(
            "router_endpoint_checks", "Health checks that have ended.", labels=("endpoint", "result")
        )
        changes = CounterMetricFamily(
            "router_endpoint_changes",
            "How often the endpoint was taken out, by requests or checks, or brought back.",
            labels=("endpoint",),
        )
        since = GaugeMetricFamily(
            "router_endpoint_last_change_timestamp_seconds",
            "When that was last, or when the endpoint was first seen.",
            labels=("endpoint",),
        )
        for state in self._watched():
            checks.add_metric((state.name, "passed"), state.checks_passed)
            checks.add_metric((state.name, "failed"), state.checks_failed)
            changes.add_metric((state.name,), state.changes)
            since.add_metric((state.name,), state.since)
        yield from (checks, changes, since)

    def _wrong_processes(self) -> Iterator[Metric]:
        unrecognized = CounterMetricFamily(
            "router_unrecognized",
            "Answers 404 or 405 M_UNRECOGNIZED: the worker, or main, does not know the request.",
            labels=("route", "upstream", "endpoint"),
        )
        for labels, count in self._misroutes.unrecognized.items():
            unrecognized.add_metric(labels, count)
        yield unrecognized
        misroutes = CounterMetricFamily(
            "router_misroutes",
            "Requests whose answer says that they came to the wrong process, by kind.",
            labels=("route", "upstream", "endpoint", "kind"),
        )
        for each, count in self._misroutes.counts.items():
            misroutes.add_metric(each, count)
        yield misroutes
        mirrored = CounterMetricFamily(
            "router_shadow_requests",
            "Mirrored requests: whether another proxy has decided as the table does.",
            labels=("route", "result"),
        )
        for route_and_result, count in self._mirrored().items():
            mirrored.add_metric(route_and_result, count)
        yield mirrored


_HISTOGRAMS: tuple[tuple[str, str, Callable[[RouteCounters], Histogram]], ...] = (
    (
        "router_request_duration_seconds",
        "From a request's head to the end of its answer.",
        lambda counters: counters.duration,
    ),
    (
        "router_response_duration_seconds",
        "From a request's head to the head of the worker's answer; long polls included.",
        lambda counters: counters.response,
    ),
)

_COUNTERS: tuple[tuple[str, str, Callable[[RouteCounters], int]], ...] = (
    ("router_requests_bytes", "Bytes of request bodies passed on.", lambda counters: counters.bytes_in),
    ("router_responses_bytes", "Bytes of answers' bodies sent.", lambda counters: counters.bytes_out),
    (
        "router_client_aborts",
        "Clients that left before they had their answer.",
        lambda counters: counters.client_aborts,
    ),
    ("router_retries", "Attempts at an endpoint after the first.", lambda counters: counters.retries),
)


def _info(name: str, text: str, labels: dict[str, str]) -> Metric:
    # An InfoMetricFamily would be exposed as a gauge of the same name: this says so outright.
    family = GaugeMetricFamily(f"{name}_info", text, labels=tuple(labels))
    family.add_metric(tuple(labels.values()), 1)
    return family


def new_registry(collector: Collector) -> CollectorRegistry:
    """A registry of its own, never the library's global one: the router's families and `process_*`."""
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(registry=registry)
    return registry
