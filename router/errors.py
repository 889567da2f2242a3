"""Every error this program raises, by who is at fault.

RouterError
├── ConfigError(message, source, hint)     only while loading
│   ├── ConfigSyntaxError                  the file is not the YAML that is expected
│   ├── UnknownKey                         a key that means nothing here
│   ├── UnknownUpstream                    a route points at an upstream that is not there
│   ├── InvalidPattern                     RE2 does not take the pattern
│   ├── CertificateUnusable                a certificate, or the key for it, that TLS cannot be spoken with
│   └── ReplicationExposed                 an endpoint would be a replication listener
├── HandshakeFailed                        an endpoint and TLS: not the one that is meant, or none at all
├── LookupFailed                           DNS has no answer for a name
│   └── NoSuchName                         DNS has answered that there is none
├── LocalError                             the deployment of `make run` and the tests cannot come up
│   ├── PortsInUse                         somebody listens where it wants to
│   └── ProcessFailed                      a process of it ended, or never became ready
└── ProxyError(status, errcode, reason)    only while serving
    ├── InternalError 500                  a defect of this program
    ├── ShuttingDown 503                   this program's own: `drain_timeout` is over
    ├── DownstreamError                    the client's doing
    │   ├── BadRequest 400                 ├── ExpectationFailed 417
    │   ├── MethodNotAllowed 405           ├── HeadersTooLarge 431
    │   ├── RequestTimeout 408             ├── ClientGone 499
    │   ├── BodyTooLarge 413               ├── MethodNotImplemented 501
    │   ├── UriTooLong 414                 ├── VersionNotSupported 505
    │   ├── TooManyFromClient 429          ├── TooManyConnections 503
    │   └── BadPreamble 400, never sent    └── TunnelIdle 408, never sent
    └── UpstreamError(retryable)           the worker's doing
        ├── QueueFull 429                  ├── QueueTimeout 503
        │   └── QueueFullForServers 503    │
        ├── ConnectFailed 502              ├── UpstreamTimeout 504
        │   ├── ConnectTimeout 504         ├── UpstreamAborted 502
        │   └── OutOfResources 503         │
        └── BadResponse 502                └── NoEndpointAvailable 503
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A place in a file that somebody wrote: line and column count from 1, length in characters."""

    file: str
    line: int
    column: int = 1
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class RouterError(Exception):
    """The root: whatever this program raises on purpose."""


class ConfigError(RouterError):
    """A file that cannot be served: says where, what was expected and what to write instead."""

    def __init__(self, message: str, *, source: Source | None = None, hint: str = "") -> None:
        super().__init__(f"{source}: {message}" if source else message)
        self.message = message
        self.source = source
        self.hint = hint


class ConfigSyntaxError(ConfigError):
    """The file is not YAML, or not of the shape that is expected at that place."""


class UnknownKey(ConfigError):
    """A key that means nothing at that place."""


class UnknownUpstream(ConfigError):
    """A route names an upstream that the file does not define."""


class InvalidPattern(ConfigError):
    """RE2 does not take the pattern."""


class ReplicationExposed(ConfigError):
    """An endpoint that is, or could be, a replication listener."""


class CertificateUnusable(ConfigError):
    """A certificate, or the key for it, that TLS cannot be spoken with."""


class HandshakeFailed(RouterError):
    """TLS with an endpoint did not come about; the message says why."""


class LookupFailed(RouterError):
    """DNS has no answer for a name, or none in time; the message says which."""


class NoSuchName(LookupFailed):
    """DNS has answered that there is no such name, or nothing of the kind under it."""


class LocalError(RouterError):
    """The local deployment cannot come up; the message says what to do."""


class PortsInUse(LocalError):
    """Somebody else listens on ports that the local deployment needs."""


class ProcessFailed(LocalError):
    """A process of the local deployment ended, or did not become ready in time."""


class ProxyError(RouterError):
    """A request that ends without a worker's answer, or with half of one.

    `status` and `errcode` are what the client is told, `reason` is the word for metrics and logs.
    """

    status: ClassVar[int] = 500
    errcode: ClassVar[str] = "M_UNKNOWN"
    reason: ClassVar[str] = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InternalError(ProxyError):
    """A defect of this program: the request is answered here and goes to no worker."""


class ShuttingDown(ProxyError):
    """The process ended before the request did: `drain_timeout` passed, or it was told to end at once."""

    status = 503
    reason = "drain"


class DownstreamError(ProxyError):
    """The client asked for something that cannot be taken."""

    reason = "bad_request"


class BadRequest(DownstreamError):
    """RFC 9112: the head, the target or the framing is malformed."""

    status = 400


class MethodNotAllowed(DownstreamError):
    """CONNECT and TRACE are never proxied (nginx answers 405 too)."""

    status = 405
    errcode = "M_UNRECOGNIZED"


class RequestTimeout(DownstreamError):
    """The client took too long to send its head or the next piece of its body."""

    status = 408
    reason = "request_timeout"


class BodyTooLarge(DownstreamError):
    """Said before Synapse resets the connection without a word."""

    status = 413
    errcode = "M_TOO_LARGE"
    reason = "body_too_large"


class UriTooLong(DownstreamError):
    """The request line is longer than `limits.request_line`."""

    status = 414
    reason = "uri_too_long"


class ExpectationFailed(DownstreamError):
    """RFC 9110 section 10.1.1: an expectation other than 100-continue."""

    status = 417


class HeadersTooLarge(DownstreamError):
    """RFC 6585 section 5: more header bytes or fields than `limits` allow."""

    status = 431
    reason = "headers_too_large"


class ClientGone(DownstreamError):
    """The client left before it had its answer (499 is nginx's word for it, never sent)."""

    status = 499
    reason = "client_gone"


class TooManyFromClient(DownstreamError):
    """One address holds as many connections as `limits.connections_per_client` allows."""

    status = 429
    errcode = "M_LIMIT_EXCEEDED"
    reason = "connections_per_client"


class TooManyConnections(DownstreamError):
    """Clients hold as many connections as `limits.connections` allows, and none of them is idle."""

    status = 503
    reason = "connections"


class TunnelIdle(DownstreamError):
    """Nothing came through a tunnel for `timeouts.tunnel`; its 101 was sent long before, so none is told."""

    status = 408
    reason = "tunnel_idle"


class MethodNotImplemented(DownstreamError):
    """A method that llhttp does not know (RFC 9110 section 15.6.2)."""

    status = 501
    errcode = "M_UNRECOGNIZED"


class VersionNotSupported(DownstreamError):
    """A protocol other than HTTP/1.0 and HTTP/1.1 on the request line."""

    status = 505


class BadPreamble(DownstreamError):
    """No PROXY protocol preamble where there must be one: closed without an answer."""

    status = 400
    reason = "proxy_protocol"


class UpstreamError(ProxyError):
    """An endpoint failed.

    `retryable` says whether the error proves that the worker did not act on the request, so that
    any method may go to another candidate; what is not retryable may still be repeated where the
    method is idempotent and no byte of an answer was passed on (RFC 9110 section 9.2.2).
    """

    retryable: ClassVar[bool] = False

    status = 502
    reason = "bad_response"


class ConnectFailed(UpstreamError):
    """The endpoint refused the connection or cannot be reached."""

    retryable = True
    reason = "connect_failed"


class ConnectTimeout(ConnectFailed):
    """No connection within `timeouts.connect`; nginx answers 504 too."""

    status = 504
    reason = "connect_timeout"


class OutOfResources(ConnectFailed):
    """This machine has no descriptor, port or memory left for a connection: no fault of the endpoint's."""

    status = 503
    reason = "out_of_resources"


class BadResponse(UpstreamError):
    """What the endpoint sent is not an HTTP/1.1 answer to the request."""

    reason = "bad_response"


class UpstreamAborted(UpstreamError):
    """The endpoint closed or reset the connection before its answer was whole."""

    reason = "aborted"


class UpstreamTimeout(UpstreamError):
    """No first byte, or no next byte, within the time that the route gives."""

    status = 504
    reason = "timeout"


class QueueFull(UpstreamError):
    """Every endpoint has as many requests as it may have, and as many as may wait are waiting."""

    status = 429
    errcode = "M_LIMIT_EXCEEDED"
    reason = "overload"


class QueueFullForServers(QueueFull):
    """The same for another homeserver, which takes a 429 no better than a 503."""

    status = 503
    errcode = "M_UNKNOWN"


class QueueTimeout(UpstreamError):
    """No endpoint had room for the request within the time that it could wait."""

    status = 503
    reason = "queue_timeout"


class NoEndpointAvailable(UpstreamError):
    """No endpoint of the upstream is up."""

    status = 503
    reason = "no_endpoint"
