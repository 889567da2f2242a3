"""Explanation: one decision with its reasons, as a value; never a token, a key or a query's values in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from zlib import crc32

from router.answers import Response
from router.errors import DownstreamError, ProxyError
from router.guard import AMBIGUOUS
from router.request import RequestHead
from router.routing import key as keys
from router.routing.decision import Forward, Refuse, Respond, decide
from router.routing.hashing import hashed_octets
from router.routing.limits import body_limit, body_too_large, first_byte_limit
from router.routing.snapshot import Snapshot
from router.routing.trace import Step, Verdict, trace
from router.routing.upgrade import protocol_asked
from router.routing.view import EndpointView
from router.settings import Settings
from router.table import DnsAddress, PolicyKind, Refusal, Route, Upstream

_DEFAULTS = Settings()
_USERINFO = re.compile("//[^/]*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """What the upstream's policy hashes of this request.

    `kind` is `user`, `room`, `header NAME` or `client address`; `crc32` is eight hex digits, None where the
    request has no key. `hashed` is False where the upstream has one endpoint and nothing to choose.
    """

    kind: str
    crc32: str | None
    hashed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One endpoint of the upstream. Those that are up stand in the order in which they are tried."""

    endpoint: str
    instance: str | None
    up: bool
    chosen: bool
    tls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Where a request goes and why.

    `path` is as received and `normalised` as nginx reads it, both as Latin-1; `query` has the names of
    the parameters, undecoded. `client` is the client's address, empty on a unix socket; `named_by` is the
    trusted proxy whose X-Forwarded-For says so, None where the client is the peer itself. `guard` is
    `pass`, `closed`, `ambiguous`, or `not asked` for a head that is refused outright. `route` and
    `upstream` are None where there is none. `refusal` is why nothing is forwarded, `response` what the
    route answers by itself; both are None for a request that is forwarded, and `reason` then is empty.
    `connect` and `first_byte` (seconds) and `max_body` (bytes) are the limits that hold, None where nothing
    would be forwarded whatever its length; `wait_for_worker` has the seconds that the request waits while no
    endpoint is up, None for not at all.
    `upgrade` is the protocol that the worker is asked for, None where it is asked for none.
    """

    method: str
    path: str
    normalised: str
    query: tuple[str, ...]
    guard: str
    generation: int
    client: str = ""
    named_by: str | None = None
    steps: tuple[Step, ...] = ()
    route: Route | None = None
    upstream: Upstream | None = None
    key: KeyUse | None = None
    candidates: tuple[Candidate, ...] = ()
    connect: float | None = None
    first_byte: float | None = None
    max_body: int | None = None
    wait_for_worker: float | None = None
    upgrade: str | None = None
    refusal: Refusal | None = None
    response: Response | None = None
    reason: str = ""

    @property
    def endpoint(self) -> str | None:
        """The endpoint that is tried first; None where none is up or the router answers by itself."""
        return next((each.endpoint for each in self.candidates if each.chosen), None)

    def as_dict(self) -> dict[str, object]:
        """The same for JSON: what `explain --json` prints and the admin listener's /explain answers."""
        route, upstream = self.route, self.upstream
        return {
            "method": self.method,
            "path": self.path,
            "normalised": self.normalised,
            "query": list(self.query),
            "client": self.client,
            "named_by": self.named_by,
            "guard": self.guard,
            "route": route.name if route else None,
            "source": str(route.source) if route and route.source else None,
            "upstream": upstream.name if upstream else None,
            "policy": upstream.policy.kind.value if upstream else None,
            "endpoint": self.endpoint,
            "key": asdict(self.key) if self.key else None,
            "candidates": [asdict(candidate) for candidate in self.candidates],
            "connect": self.connect,
            "first_byte": self.first_byte,
            "max_body": self.max_body,
            "wait_for_worker": self.wait_for_worker,
            "upgrade": self.upgrade,
            "refusal": asdict(self.refusal) if self.refusal else None,
            "response": response_as_dict(self.response) if self.response else None,
            "reason": self.reason,
            "steps": [_step_as_dict(step) for step in self.steps],
            "generation": self.generation,
        }


def explain(
    snapshot: Snapshot,
    head: RequestHead,
    view: EndpointView,
    *,
    settings: Settings = _DEFAULTS,
    content_length: int = -1,
) -> Explanation:
    """What `decide` decides, with the walk over the routes beside it, and the limits of `settings` that hold.

    A `content_length` (bytes; -1 where there is none) above the limit is a refusal by the route's limit.
    Raises ProxyError (500) where RE2 gives no answer or the two ways through the table disagree, which
    would be a defect of this program.
    """
    decision = decide(snapshot, head, view)
    asked = Explanation(
        method=head.method,
        path=head.path.decode("latin-1"),
        normalised=head.normalised.decode("latin-1"),
        query=_names(head.query),
        guard="pass",
        generation=snapshot.generation,
        client=head.client,
    )
    if isinstance(decision, Refuse) and decision.route is None:
        verdict = "ambiguous" if decision.refusal is AMBIGUOUS else "closed"
        return replace(asked, guard=verdict, refusal=decision.refusal, reason=decision.reason)
    steps = trace(snapshot.table.routes, head)
    taken = next(step.route for step in steps if step.verdict is Verdict.TAKEN)
    if taken is not decision.route:
        fast, slow = (
            f"`{each.name}` ({each.source})" if each else "none" for each in (decision.route, taken)
        )
        raise ProxyError(f"the matcher takes {fast} and the trace {slow}: a defect of this program")
    if isinstance(decision, Refuse):
        return replace(asked, steps=steps, route=taken, refusal=decision.refusal, reason=decision.reason)
    if isinstance(decision, Respond):
        shown = _without_query(decision.response, head)
        return replace(asked, steps=steps, route=taken, response=shown, reason=decision.reason)
    limit = body_limit(taken, head.path, settings.limits)
    forwarded = replace(
        asked,
        steps=steps,
        route=taken,
        connect=settings.timeouts.connect,
        first_byte=first_byte_limit(taken, settings.timeouts),
        max_body=limit,
        wait_for_worker=taken.wait_for_worker,
    )
    if content_length > limit:
        error = body_too_large(content_length, limit)
        return replace(forwarded, refusal=_as_refusal(error), reason=error.reason)
    return replace(
        forwarded,
        upstream=decision.upstream,
        upgrade=protocol_asked(taken, head) or None,
        key=_key_use(decision.upstream, taken, head),
        candidates=_candidates(decision),
    )


def explain_request(
    snapshot: Snapshot,
    view: EndpointView,
    *,
    method: str,
    target: bytes,
    headers: Sequence[tuple[bytes, bytes]] = (),
    client: str = "",
    refused: DownstreamError | None = None,
) -> Explanation:
    """The same from what a client sends: a head that is refused outright is explained, not raised.

    `refused` is why, where the reader of the wire has refused it already.
    """
    try:
        if refused is not None:
            raise refused
        head = RequestHead(method=method, target=target, headers=headers, client=client)
    except DownstreamError as error:
        path, _, query = target.partition(b"?")
        return Explanation(
            method=method,
            path=_USERINFO.sub("//…@", path.decode("latin-1")),
            normalised="",
            query=_names(query),
            guard="not asked",
            generation=snapshot.generation,
            client=client,
            refusal=_as_refusal(error),
            reason=error.reason,
        )
    return explain(snapshot, head, view)


def _without_query(response: Response, head: RequestHead) -> Response:
    """A redirect may lead on with the query, in which there may be a token."""
    query = head.query.decode("ascii")
    if not query:
        return response
    fields = tuple(
        (name, value.removesuffix(query) + "..." if value.endswith(f"?{query}") else value)
        for name, value in response.fields
    )
    return replace(response, fields=fields)


def response_as_dict(response: Response) -> dict[str, object]:
    """For JSON: status, fields, media type, and how many bytes the body has."""
    return {
        "status": response.status,
        "headers": dict(response.fields),
        "media_type": response.media_type,
        "bytes": len(response.body),
    }


def _as_refusal(error: DownstreamError) -> Refusal:
    return Refusal(status=error.status, errcode=error.errcode, error=error.message)


def _key_use(upstream: Upstream, route: Route, head: RequestHead) -> KeyUse | None:
    policy = upstream.policy
    if policy.kind is PolicyKind.IP_HASH:
        kind, key = "client address", hashed_octets(head.client)
    elif policy.keys:
        applies = keys.which(policy.keys, route.pattern, head) or policy.keys[0]
        kind, key = str(applies), keys.reader(policy.keys, route.pattern)(head)
    else:
        return None
    return KeyUse(kind=kind, crc32=f"{crc32(key):08x}" if key else None, hashed=_is_choice(upstream))


def _is_choice(upstream: Upstream) -> bool:
    """Whether the key can matter; one `dns:` stands for any number of endpoints."""
    endpoints = upstream.endpoints
    return len(endpoints) > 1 or any(isinstance(endpoint.address, DnsAddress) for endpoint in endpoints)


def _candidates(decision: Forward) -> tuple[Candidate, ...]:
    """Those of the decision in its order, then the rest, which are down, as the file has them."""
    down = [each for each in decision.upstream.endpoints if all(each is not up for up in decision.candidates)]
    up = tuple(
        Candidate(
            endpoint=each.name, instance=each.instance, up=True, chosen=place == 0, tls=each.tls is not None
        )
        for place, each in enumerate(decision.candidates)
    )
    return up + tuple(
        Candidate(
            endpoint=each.name, instance=each.instance, up=False, chosen=False, tls=each.tls is not None
        )
        for each in down
    )


def _names(query: bytes) -> tuple[str, ...]:
    items = query.replace(b";", b"&").split(b"&")
    return tuple(item.partition(b"=")[0].decode("latin-1") for item in items if b"=" in item)


def _step_as_dict(step: Step) -> dict[str, object]:
    route = step.route
    return {
        "route": route.name,
        "source": str(route.source) if route.source else None,
        "pattern": route.pattern.text,
        "form": route.pattern.form.value,
        "verdict": step.verdict.value,
        "detail": step.detail,
    }
