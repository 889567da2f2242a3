"""Everything configured that is not a route: listeners, limits, timeouts, health, log, guard."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Network, IPv6Network

from router.answers import Redirect
from router.errors import Source
from router.table import Address, RouteTable, TcpAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes; what is larger is refused, never cut."""

    request_line: int = 8192
    """nginx `large_client_header_buffers 4 8k`: one line fits one buffer; beyond it 414."""

    headers: int = 16_000
    """Twisted takes 16,384 header bytes; X-Forwarded-* are added on the way. Beyond it 431."""

    header_count: int = 100
    """HAProxy `tune.http.maxhdr` is 101; Twisted takes 500. Beyond it 431."""

    body: int = 13_107_200
    """Synapse's own limit for a request that is no upload (200 events of 65,536 bytes). Beyond it 413."""

    media_body: int = 52_428_800
    """Synapse's `max_upload_size` where its files are known, else that one's default (50M), for paths below
    /_matrix/media/. Beyond it 413.
    """

    connections: int | None = None
    """Of clients, in all; a 503 beyond it. None for half of what RLIMIT_NOFILE leaves: each may need two."""

    connections_per_client: int | None = None
    """Of one IPv4 address or one IPv6 /64, trusted proxies apart; a 429 beyond it.

    None for three quarters of `connections`: one address does not take them all. nginx and HAProxy have no
    limit, since a provider's or a company's users may share an address.
    """

    requests_per_connection: int = 1000
    """nginx `keepalive_requests` 1000; the last answer says that the connection ends."""

    queue: int = 1000
    """Requests that wait for an endpoint of one upstream; a 429 beyond it, on federation a 503.

    Ours: fifteen seconds of some sixty requests each. nginx Plus has none by default, HAProxy no bound.
    """

    body_rate: int = 240
    """Bytes a second of a request's body, on average: Kestrel's `MinRequestBodyDataRate`. Below it 408."""

    send_rate: int = 240
    """The same for a client that takes an answer: Kestrel's `MinResponseDataRate`. Below it a reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds."""

    connect: float = 5.0
    """HAProxy's manual proposes `timeout connect 5s`; loopback answers in far less."""

    first_byte: float = 600.0
    """The reference deployment's `proxy_read_timeout 600s`: joins take minutes, /sync long-polls."""

    read: float = 60.0
    """Between two reads of an answer's body: nginx `proxy_read_timeout` default."""

    tunnel: float = 600.0
    """For a byte of either side after an Upgrade: the reference deployment's `proxy_read_timeout 600s`."""

    head: float = 60.0
    """For a request head, from its first byte: nginx `client_header_timeout` default. Beyond it 408."""

    body: float = 60.0
    """Between two reads of a request's body: nginx `client_body_timeout` default. Beyond it 408."""

    send: float = 60.0
    """For a client to take something of what waits for it: nginx `send_timeout` default."""

    idle: float = 65.0
    """A kept-alive client without a request: the reference deployment's `keepalive_timeout 65`."""

    queue: float = 15.0
    """For an endpoint to have room: between HAProxy, as connect (5 s), and nginx Plus (60 s)."""

    upstream_idle: float = 45.0
    """A kept-alive connection to an endpoint: below the 60 s after which Twisted closes its side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How endpoints are watched, in seconds.

    Without a path a TCP connect is the check, as HAProxy's `check`; with one, a GET that must
    answer 2xx.
    """

    path: str | None = None
    interval: float = 2.0
    """HAProxy `inter` default. One that is not up is asked every second, if that is sooner."""

    timeout: float = 2.0
    """For an answer; one that is later has failed the check."""

    rise: int = 2
    """Checks in a row that bring an endpoint back: HAProxy `rise` default."""

    fall: int = 3
    """Checks in a row that take an endpoint down: HAProxy `fall` default. Whoever refuses is down at once."""

    jitter: float = 0.2
    """Up to so much is added to each interval by chance, as nginx Plus `jitter`: a tenth of the interval."""


UNIX_MODE = 0o660
"""Owner and group may connect, as to Synapse's own sockets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketAccess:
    """Who may connect to a unix socket; `owner` and `group` are ids, None for the router's own."""

    mode: int = UNIX_MODE
    owner: int | None = None
    group: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """Paths of a chain, the server's own certificate first, and of its key; one file may hold both."""

    certificate: str
    key: str
    source: Source | None = field(default=None, compare=False)


HSTS = 63_072_000
"""Seconds that clients are told to keep to TLS: two years, as in Mozilla's intermediate configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTls:
    """What a listener that speaks TLS shows; the first certificate is for whoever asks for no other's name.

    `hsts` are the seconds of Strict-Transport-Security, 0 for no such field.
    """

    certificates: tuple[CertificateFiles, ...]
    hsts: int = HSTS

    def __post_init__(self) -> None:
        if not self.certificates:
            raise ValueError("a listener that speaks TLS needs a certificate")


class ListenerRole(Enum):
    """What becomes of the requests that come to a listener."""

    PROXY = "proxy"
    """They are served."""

    SHADOW = "shadow"
    """They are held against what another proxy has decided, and never forwarded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where clients connect, and how they are spoken to there."""

    address: Address
    role: ListenerRole = ListenerRole.PROXY
    proxy_protocol: bool = False
    """Whether each connection begins with a PROXY protocol preamble, v1 or v2 (HAProxy `accept-proxy`)."""
    tls: ServerTls | None = None
    """None for plain HTTP."""
    redirect: Redirect | None = None
    """Where every request here is sent, whatever the table says; None for one that serves the table."""

    access: SocketAccess = SocketAccess()
    """Of a unix socket."""

    fields: bytes = field(init=False, repr=False, compare=False)
    """What every answer here gets, unless the worker sent one of its own: lines with their CRLF."""

    port: int = field(init=False, repr=False, compare=False)
    """As it is written: 0 for a unix socket."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "port", self.address.port if isinstance(self.address, TcpAddress) else 0)
        hsts = self.tls.hsts if self.tls is not None else 0
        line = b"Strict-Transport-Security: max-age=%d\r\n" % hsts if hsts else b""
        object.__setattr__(self, "fields", line)

    @property
    def scheme(self) -> bytes:
        """What X-Forwarded-Proto says."""
        return b"https" if self.tls is not None else b"http"

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedProxies:
    """Peers whose word on the client behind them is taken; nobody's by default.

    An IPv4 network is never written in IPv6's form. `unix` stands for whoever connects to a unix listener.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedListener:
    """A listener that no endpoint may be; `reason` follows `the endpoint 127.0.0.1:9093` in a sentence."""

    address: Address
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """Who is asked for names, and how often; times in seconds."""

    servers: tuple[str, ...] = ()
    """As `address` or `address:port`; none for those of /etc/resolv.conf, which is read at each question."""

    timeout: float = 2.0
    """For a server to answer, before the next one is asked; c-ares's own default."""

    attempts: int = 2
    """How often each server is asked: /etc/resolv.conf's default."""

    min_ttl: float = 1.0
    """An answer that may not be kept is kept for a second."""

    max_ttl: float = 30.0
    """Docker's own DNS says 600 s for containers that come and go; CoreDNS says 30 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What is a replication listener, and which closed prefixes the file opens.

    `replication_ports` are inclusive ranges, on whatever host; `replication_addresses` are single
    listeners; `closed` are those that Synapse's own files tell of, metrics and manholes among them.
    `open_prefixes` may hold /_synapse/admin and /_synapse/mas, never /_synapse/replication.
    """

    replication_ports: tuple[tuple[int, int], ...] = ((9000, 9999),)
    replication_addresses: tuple[Address, ...] = ()
    closed: tuple[ClosedListener, ...] = ()
    open_prefixes: frozenset[str] = frozenset()

    @property
    def listed(self) -> tuple[Address, ...]:
        """Every single listener that is closed."""
        return (*self.replication_addresses, *(each.address for each in self.closed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One file's settings, with the contract's defaults."""

    listen: tuple[Listener, ...] = (Listener(address=TcpAddress(host="127.0.0.1", port=8080)),)
    admin: tuple[Address, ...] = (TcpAddress(host="127.0.0.1", port=8081),)
    admin_public: bool = False
    """Whether the file says in so many words that the admin listener may be off loopback."""

    trusted_proxies: TrustedProxies = TrustedProxies()
    """nginx `set_real_ip_from`, which names nobody by default either."""

    admin_access: SocketAccess = SocketAccess()
    """Of the admin listener's unix sockets."""

    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    health: Health = Health()
    guard: Guard = Guard()
    resolver: Resolver = Resolver()
    access_log: str = "-"
    """A path, `-` for standard output, or empty for none."""

    drain_timeout: float = 30.0
    """Seconds that a SIGTERM gives to requests under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What one routes.yaml says: the table, the settings, and the file it came from."""

    table: RouteTable
    settings: Settings = field(default_factory=Settings)
    file: str = "routes.yaml"
    digest: str = ""
    """The first six hex digits of the file's SHA-256."""
