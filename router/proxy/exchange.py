"""One request from its head to its end: the record of it, and the state that drives it.

    decided ──> connecting ──> sent ──> answering ──> ended
       │            │  ^         │ lost, or late, before a byte of an answer, and may be repeated
       │            └──┴─────────┘ refused, or out of time: the next candidate
       └── refused here ──────────────────────────────> ended

The client stream (an HTTP/1 connection; later an HTTP/2 stream too) says `on_body`, `on_body_end`,
`on_client_gone`, `on_client_paused`, `on_client_resumed` and `on_deadline`; the pool and the
upstream connection say the rest. Whatever happens, `_finish` is the one place where it ends.

It is longer than a file should be: whoever reads one transition needs the others beside it. What only some
requests need is elsewhere, and made when it is needed: the wait for a turn (`turn`), the rest of a body
(`awaited`), what may be sent again (`replay`), the tunnel (`tunnel`).
"""

from __future__ import annotations

import asyncio
import logging

from router.errors import (
    ClientGone,
    ConnectFailed,
    ConnectTimeout,
    InternalError,
    NoEndpointAvailable,
    OutOfResources,
    ProxyError,
    RequestTimeout,
    UpstreamAborted,
    UpstreamError,
    UpstreamTimeout,
)
from router.http1.requests import RequestMessage
from router.http1.responses import ResponseMessage
from router.proxy.awaited import CONTINUE, AwaitedBody
from router.proxy.context import ProxyContext
from router.proxy.headers import request_head, response_head
from router.proxy.opening import SUSPECT, opening_of
from router.proxy.record import ExchangeRecord
from router.proxy.replay import HeldBody, is_repeatable
from router.proxy.stream import ClientStream
from router.proxy.tunnel import check_switch
from router.proxy.turn import Turn
from router.request import RequestHead
from router.routing.decision import Forward, Refuse, Respond, decide
from router.routing.limits import body_limit, body_too_large, first_byte_limit
from router.routing.upgrade import protocol_asked
from router.table import Endpoint
from router.upstream.connection import WRITE_HIGH, ResponseSink, UpstreamConnection
from router.upstream.state import EndpointState

log = logging.getLogger(__name__)


class Exchange(ExchangeRecord, ResponseSink):
    """One request: its record, and what drives it.

    `_candidate` counts those given up, `_turn` is None of a request that never had to wait, `_held` of one
    of whose body nothing has come. `_state` is that of the attempt's endpoint, which stays the same while
    the attempt is in flight, `_awaited` None of a request that was whole when it was sent. `_lost_by` is the
    first endpoint that did not answer what it was sent.
    """

    __slots__ = (
        "_awaited",
        "_candidate",
        "_client",
        "_connecting",
        "_connection",
        "_context",
        "_held",
        "_lost_by",
        "_outgoing",
        "_request_done",
        "_response_begun",
        "_state",
        "_turn",
        "_upstream_full",
    )

    def __init__(
        self, *, line: bytes, head: RequestHead | None, context: ProxyContext, client: str = ""
    ) -> None:
        super().__init__(line, head, client, context.clock())
        self._context = context
        self._client: ClientStream | None = None
        self._connection: UpstreamConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._awaited: AwaitedBody | None = None
        self._candidate = 0
        self._outgoing = b""
        self._held: HeldBody | None = None
        self._lost_by: Endpoint | None = None
        self._request_done = False
        self._response_begun = False
        self._state: EndpointState | None = None
        self._upstream_full = False
        self._turn: Turn | None = None

    @property
    def max_body(self) -> int:
        """Bytes that the body of a request that is forwarded may have."""
        decision, head = self.decision, self.head
        assert isinstance(decision, Forward) and head is not None  # noqa: S101, PT018 - all others have ended
        return body_limit(decision.route, head.path, self._context.settings.limits)

    def refuse_head(self, error: ProxyError, client: ClientStream) -> None:
        """Ends an exchange whose head could not be taken."""
        self._client = client
        self._context.observer.begin(self)
        self._fail(error)

    def begin(self, client: ClientStream, message: RequestMessage, *, has_body: bool) -> None:
        """Decides, then answers, or gets ready to `forward`."""
        head = self.head
        assert head is not None  # noqa: S101 - `refuse_head` is for the others; for the type checker only
        context = self._context
        self._client = client
        self._request_done = not has_body
        if message.expect_continue:
            self._awaited = AwaitedBody(held_back=True)
        try:
            self.decision = decision = decide(context.snapshot, head, context.states)
        except Exception as error:
            log.exception("a request could not be decided")
            self.refuse_head(InternalError(f"internal error: {type(error).__name__}"), client)
            return
        context.observer.begin(self)
        if not isinstance(decision, Forward):
            self._answer_here(decision, client)
            return
        if message.content_length > 0 and message.content_length > self.max_body:
            self._fail(body_too_large(message.content_length, self.max_body))
            return
        if not decision.candidates and not decision.route.wait_for_worker:
            self._fail(NoEndpointAvailable(f"no endpoint of {decision.upstream.name} is up"))
            return
        if decision.rotation is not None:
            context.states.rotate(decision.upstream, decision.rotation)
        self._outgoing = request_head(
            message,
            target=head.target,
            client=head.client,
            scheme=client.scheme,
            upgrade=protocol_asked(decision.route, head) if message.upgrade else "",
            trusted=client.trusted,
        )

    def _answer_here(self, decision: Refuse | Respond, client: ClientStream) -> None:
        answer = decision.refusal if isinstance(decision, Refuse) else decision.response
        self.reason = decision.reason
        self.status = answer.status
        self.bytes_out = client.send_local(answer)
        self._finish()
        client.end()

    def forward(self) -> None:
        """Sends the head and what has come of the body: in one write, which is one system call."""
        if not self._attempt_from(0):
            self._wait(None)

    def _attempt_from(self, place: int, *, fresh: bool = False) -> bool:
        """Tries the first candidate from that place on that has room; tells whether there is one."""
        assert isinstance(self.decision, Forward)  # noqa: S101 - all others have ended
        candidates = self.decision.candidates
        while place < len(candidates):
            endpoint = candidates[place]
            if endpoint.max_requests is None or self._context.states.has_room(endpoint):
                self._candidate = place
                self._attempt(endpoint, fresh=fresh)
                return True
            place += 1
        return False

    def _attempt(self, endpoint: Endpoint, *, fresh: bool = False) -> None:
        context = self._context
        self.endpoint = endpoint
        self.attempts += 1
        self._state = state = context.states.state(endpoint)
        state.in_flight += 1
        if context.states.troubled:
            context.states.begin_attempt(endpoint)
        connection = None if fresh else context.pool.take(endpoint)
        if connection is not None:
            self.on_connected(connection)
            return
        self._connecting = context.pool.connect(endpoint, self)
        self._arm(context.settings.timeouts.connect)

    def on_connected(self, connection: UpstreamConnection) -> None:
        """Sends the head and what there is of the body."""
        self._connecting = None
        client, head = self._client, self.head
        if client is None or head is None:
            self._context.pool.release(connection)
            return
        self._connection = connection
        if self._state is not None:
            self._state.requests += 1
        outgoing = self._outgoing
        if self._held is not None:
            outgoing = self._held.behind(outgoing)
            self._held.sent(head.method)
        connection.send(outgoing, method=head.method, decode=client.wants_payload, sink=self)
        if self._request_done:
            connection.end_request()
            self._arm_first_byte()
        else:
            self._await_body()
            if not self._upstream_full:
                client.resume()

    def on_connect_failed(self, error: ConnectFailed) -> None:
        """Tries the next candidate: the worker has not seen the request."""
        self._connecting = None
        decision, endpoint = self.decision, self.endpoint
        if self._client is None or endpoint is None or not isinstance(decision, Forward):
            return
        self._free()
        if isinstance(error, OutOfResources):
            self._fail(error)
            return
        self._note_failure(endpoint, error, unreachable=True)
        self._serve_waiting(endpoint)
        self._try_next(error)

    def _try_next(self, error: UpstreamError) -> None:
        decision = self.decision
        assert isinstance(decision, Forward)  # noqa: S101 - only what is forwarded has attempts
        untried = decision.candidates[self._candidate + 1 :]
        if untried and not decision.key:
            self._context.states.rotate_again(decision.upstream, untried)
        # What was lost once is not sent on a kept connection again: that may be as stale.
        if not self._attempt_from(self._candidate + 1, fresh=self._lost_by is not None):
            self._wait(error)

    def _wait(self, error: UpstreamError | None) -> None:
        """Waits for an endpoint, if the request may; else it ends, with the error of its last attempt."""
        decision, head = self.decision, self.head
        assert isinstance(decision, Forward) and head is not None  # noqa: S101, PT018 - all others have ended
        if self._turn is None:
            self._turn = Turn(self, head, decision, self._context)
        is_full = self._candidate + (error is not None) < len(decision.candidates)
        seconds = self._turn.wait(error, is_full=is_full)
        if seconds:
            self._arm(seconds)

    def go_on(self, decision: Forward) -> bool:
        """Tries the candidates that there are after a wait; tells whether one of them has room."""
        self.decision = decision
        return self._attempt_from(0, fresh=self._lost_by is not None)

    def _free(self) -> None:
        if self._state is not None:
            self._state.in_flight -= 1

    def _await_body(self) -> None:
        if self._awaited is None:
            self._awaited = AwaitedBody(held_back=False)
        self._arm(self._awaited.begin(self._context.clock(), self._context.settings.timeouts.body))

    def lags(self, size: int) -> bool:
        """Whether the body comes too slowly, that many bytes of it having come now."""
        context, awaited = self._context, self._awaited
        rate = context.settings.limits.body_rate
        if not rate or self._connection is None or awaited is None:
            return False
        return awaited.lags(size, context.clock(), rate=rate, pause=context.settings.timeouts.body)

    def _note_failure(
        self, endpoint: Endpoint, error: UpstreamError, *, counts: bool = True, unreachable: bool = False
    ) -> None:
        """As in nginx, it counts if no answer had begun, and not against the only endpoint of an upstream."""
        assert isinstance(self.decision, Forward)  # noqa: S101 - only what is forwarded has attempts
        upstream = self.decision.upstream
        counts = counts and not self._response_begun and len(upstream.endpoints) > 1
        states = self._context.states
        if counts:
            states.lower(upstream, endpoint)
        states.attempt_failed(endpoint, error.message, counts=counts, unreachable=unreachable)

    def on_body(self, data: bytes) -> None:
        """A piece of the request's body, framed as the head says."""
        self.bytes_in += len(data)
        if self._awaited is not None:
            self._awaited.flows()
        held = self._held
        if held is None:
            self._held = held = HeldBody()
        connection, head = self._connection, self.head
        if connection is None or head is None:
            held.add(data)
            if held.size > WRITE_HIGH and self._client is not None:
                self._client.pause()
            return
        if held.whole:
            held.add(data)
            held.sent(head.method)
        connection.write(data)
        if not self._response_begun:
            self._wait_for(self._context.ticks.body)

    def on_body_end(self) -> None:
        """The request is whole: nothing of it can pause the client any more."""
        self._request_done = True
        if self._client is not None:
            self._client.resume()
        if self._connection is not None:
            self._connection.end_request()
            if not self._response_begun:
                self._arm_first_byte()

    def on_informational(self, message: ResponseMessage) -> None:
        """Passes a 1xx answer on, but for a 100 that the client has from here already."""
        client = self._client
        if client is None:
            return
        if message.status == 100 and self._awaited is not None:
            if self._awaited.is_asked_for:
                return
            if self._awaited.is_held_back:
                self._awaited.flows()
                self._await_body()
        client.send_informational(response_head(message, close=False, unchunk=False))

    def on_switch(self, message: ResponseMessage, rest: bytes) -> None:
        """From here on bytes go both ways as they come, where that is what was asked for."""
        client, connection, decision = self._client, self._connection, self.decision
        if client is None or connection is None or self.head is None or not isinstance(decision, Forward):
            return
        protocol = "" if client.wants_payload else protocol_asked(decision.route, self.head)
        check_switch(message, protocol)
        transport = connection.hand_over()
        self._response_begun = True
        self.first_byte = self._context.clock()
        self.status = message.status
        granted = response_head(message, close=False, unchunk=False, upgrade=protocol)
        client.switch(granted, (transport, connection.as_protocol()), rest, self)

    def on_tunnel_end(self, error: type[ProxyError] | None) -> None:
        """The tunnel has ended, for both sides."""
        self._leave_connection()
        if self._client is None:
            return
        if error is not None:
            self.reason = error.reason
        self._finish()

    def on_response(self, message: ResponseMessage, data: bytes) -> None:
        """Passes the final answer's beginning on; from here on nothing can be tried again."""
        client = self._client
        if client is None:
            return
        context = self._context
        self._response_begun = True
        if self._held is not None:
            self._held.drop()
        if context.states.troubled:
            self._note_answer()
        self.first_byte = context.clock()
        self.status = message.status
        size = len(message.head)
        self.bytes_out = len(data) - size
        if message.status >= 400 and message.status in SUSPECT:
            self.opening = opening_of(message, data[size:], unchunked=client.wants_payload)
        client.wait(context.ticks.read)  # first: a client that is full now has a time of its own
        client.send_head(message, data)

    def _note_answer(self) -> None:
        assert isinstance(self.decision, Forward) and self.endpoint is not None  # noqa: S101, PT018 - as above
        if len(self.decision.upstream.endpoints) > 1:
            self._context.states.attempt_answered(self.endpoint)

    def on_response_body(self, data: bytes) -> None:
        """Passes a piece of the answer on."""
        client = self._client
        if client is None:
            return
        self.bytes_out += len(data)
        if self.opening is not None:
            self.opening.add(data)
        client.wait(self._context.ticks.read)
        client.send_body(data)

    def on_response_end(self) -> None:
        """The answer is passed on whole."""
        self._leave_connection()
        client = self._client
        if client is not None:
            self._finish()
            client.end()

    def on_upstream_error(self, error: UpstreamError) -> None:
        """Repeats what may be repeated; else the client is told, or sees a broken answer.

        Who closes before the request is whole may just have waited for the rest for too long: that is not
        held against a worker, or clients that stop in the middle of a body could take all of them out. A
        request that ends workers must not end all of them: two may lose it, no more.
        """
        connection = self._connection
        self._leave_connection()
        if connection is None or self._client is None:
            return
        closed_under_us = isinstance(error, UpstreamAborted) and connection.reused and not connection.answered
        unfinished = isinstance(error, UpstreamAborted) and not self._request_done
        self._note_failure(connection.endpoint, error, counts=not (closed_under_us or unfinished))
        may_repeat = self._lost_by in (None, connection.endpoint) and not connection.answered
        if not may_repeat or self.head is None or not is_repeatable(error, self.head.method, self._held):
            self._fail(error)
            return
        first, self._lost_by = self._lost_by, connection.endpoint
        if closed_under_us and first is None and self._context.states.has_room(connection.endpoint):
            self._attempt(connection.endpoint, fresh=True)
        else:
            self._try_next(error)

    def on_upstream_paused(self) -> None:
        """The worker takes the body slower than the client sends it."""
        self._upstream_full = True
        if self._client is not None and not self._request_done:
            self._client.pause()

    def on_upstream_resumed(self) -> None:
        """The worker has caught up."""
        self._upstream_full = False
        if self._client is None or self._request_done:
            return
        self._client.resume()
        if not self._response_begun:
            self._await_body()

    def on_client_paused(self) -> None:
        """The client takes the answer slower than the worker sends it."""
        if self._connection is not None:
            self._connection.pause_reading()

    def on_client_resumed(self) -> None:
        """The client has caught up."""
        if self._connection is not None:
            self._connection.resume_reading()
            self._wait_for(self._context.ticks.read)

    def on_client_gone(self, error: type[ProxyError] = ClientGone) -> None:
        """The client gets nothing more, for whichever reason: cancels the request at the worker."""
        if self._client is None:
            return
        self._give_up_upstream()
        self.reason = error.reason
        if not self.status:
            self.status = error.status
        self._finish()

    def on_deadline(self) -> None:
        """Somebody took too long: whoever it was that the exchange waited for."""
        name = self.endpoint.name if self.endpoint is not None else "the worker"
        if self._turn is not None and self._turn.waiting:
            self._fail(self._turn.out_of_time())
        elif self._connecting is not None:
            self._connecting.cancel()
            self.on_connect_failed(ConnectTimeout(f"{name}: no connection within the time given"))
        elif self._awaited is not None and self._awaited.is_held_back and not self._response_begun:
            self._ask_for_body(self._awaited)
        elif not self._request_done and not self._upstream_full and not self._response_begun:
            self._fail(RequestTimeout("the rest of the body did not come in time"))
        else:
            self._give_up_on_worker(UpstreamTimeout(f"{name} did not answer in time"))

    def _give_up_on_worker(self, error: UpstreamTimeout) -> None:
        connection = self._connection
        if connection is not None:
            self.on_upstream_error(error)
            connection.abort()

    def _ask_for_body(self, awaited: AwaitedBody) -> None:
        # A worker that waits for the body and a client that waits for the 100 would wait for ever.
        awaited.ask()
        if self._client is not None:
            self._client.send_informational(CONTINUE)
        self._await_body()

    def fail(self, error: ProxyError) -> None:
        """Ends the exchange for the client's own doing, as a body that is malformed or too large."""
        self._fail(error)

    def _fail(self, error: ProxyError) -> None:
        client = self._client
        if client is None:
            return
        self._give_up_upstream()
        self.reason = error.reason
        if self._response_begun:
            self._finish()
            client.abort()
            return
        self.status = error.status
        self.bytes_out = client.send_error(error)
        self._finish()
        client.end()

    def _give_up_upstream(self) -> None:
        if self._turn is not None:
            self._turn.leave()
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
            self._free()
            if self.endpoint is not None:
                self._serve_waiting(self.endpoint)
        connection = self._connection
        self._leave_connection()
        if connection is not None:
            connection.abort()

    def _leave_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._upstream_full = False
            self._free()
            self._serve_waiting(connection.endpoint)

    def _serve_waiting(self, endpoint: Endpoint) -> None:
        if self._context.queues.waiting:
            self._context.queues.serve(endpoint.name)

    def _arm_first_byte(self) -> None:
        assert isinstance(self.decision, Forward)  # noqa: S101 - only what is forwarded waits for a worker
        context, route = self._context, self.decision.route
        if route.first_byte is None:
            self._wait_for(context.ticks.first_byte)
        else:
            self._arm(first_byte_limit(route, context.settings.timeouts))

    def _wait_for(self, ticks: int) -> None:
        if self._client is not None:
            self._client.wait(ticks)

    def _arm(self, seconds: float) -> None:
        if self._client is not None:
            self._client.arm(seconds)

    def _finish(self) -> None:
        self._client = None
        self._held = None
        self.ended = self._context.clock()
        self._context.observer.finish(self)
