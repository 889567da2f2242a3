"""Every code that a finding can carry, with its title, why it matters, and the error it becomes.

S syntax, R routing, W workers, H hardening, N nginx; a code never changes its meaning once it was released.
It is one table, and as long as there are codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from router.errors import (
    CertificateUnusable,
    ConfigError,
    ConfigSyntaxError,
    InvalidPattern,
    ReplicationExposed,
    UnknownKey,
    UnknownUpstream,
)


class Severity(Enum):
    """An error is wrong whatever was meant; a warning may have been meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One kind of finding: `why` is what `check` prints below it, `error` what `serve` raises for it."""

    code: str
    title: str
    why: str
    severity: Severity = Severity.ERROR
    error: type[ConfigError] = ConfigSyntaxError


_SYNTAX = (
    Code(
        code="S001",
        title="the file cannot be read",
        why="without a table the router would not know where to send a single request",
    ),
    Code(
        code="S002",
        title="the file is not text in UTF-8",
        why="bytes that are no text have no one meaning, and a pattern would silently match something else",
    ),
    Code(
        code="S003",
        title="the file is not YAML",
        why="the rest of the file cannot be read past this place",
    ),
    Code(
        code="S004",
        title="the file is empty",
        why="a table needs `upstreams:` and `routes:`",
    ),
    Code(
        code="S005",
        title="the file holds more than one document",
        why="only one table is served, and it would be a guess which one",
    ),
    Code(
        code="S006",
        title="YAML anchors, aliases, merge keys and tags are not used here",
        why="every line of the table must say where it came from; a merged one comes from two places",
    ),
    Code(
        code="S007",
        title="the same key twice",
        why="YAML readers keep the last one without a word, so the first would silently not count",
    ),
    Code(
        code="S008",
        title="a key that means nothing here",
        why="a setting that is silently ignored is one that somebody relies on",
        error=UnknownKey,
    ),
    Code(
        code="S009",
        title="a value of the wrong kind",
        why="a list where a word belongs, or the other way round, is read as something else than was meant",
    ),
    Code(
        code="S010",
        title="something is missing",
        why="there is no default that would be right for everybody",
    ),
    Code(
        code="S011",
        title="not a number, size, time or yes/no",
        why="a value near the one that was meant is still another one, so nothing is guessed",
    ),
    Code(
        code="S012",
        title="a word that is not one of those known here",
        why="the choice decides where requests go, so there is no guessing",
    ),
    Code(
        code="S013",
        title="not an address",
        why="half an address would have to be guessed, and a guess may be somebody else's port",
    ),
    Code(
        code="S014",
        title="not usable as a name",
        why="names stand in metrics, logs and the output of `explain --batch`, one word each",
    ),
    Code(
        code="S015",
        title="not a path that a health check can ask for",
        why="a worker that is asked for something else never answers 2xx, and so is never up",
    ),
    Code(
        code="S016",
        title="not what a well-known document says",
        why="clients and servers that cannot read it look for the homeserver elsewhere, or give up",
    ),
    Code(
        code="S021",
        title="not an owner, a group or a mode of a socket",
        why="who may connect to a unix socket is all that keeps others out of it",
    ),
)


_ROUTING = (
    Code(
        code="R101",
        title="the pattern does not compile",
        why="patterns are RE2 over bytes, which answers in time linear in the path whatever a client sends",
        error=InvalidPattern,
    ),
    Code(
        code="R102",
        title="the upstream is not defined",
        why="requests of this route would have nowhere to go",
        error=UnknownUpstream,
    ),
    Code(
        code="R103",
        title="not a method that the router proxies",
        why="a route for a method that never arrives takes no request",
    ),
    Code(
        code="R104",
        title="not a condition on a query parameter",
        why="a condition is `present` or `absent`; the value of a parameter takes no part in routing",
    ),
    Code(
        code="R105",
        title="two routes with one name",
        why="metrics and logs could not tell them apart",
    ),
    Code(
        code="R106",
        title="the name `unmatched` is taken",
        why="it is the last route of every table, which answers 404 to whatever no other route takes",
    ),
    Code(
        code="R107",
        title="a route that goes nowhere, or to two places",
        why="a route has an upstream or one answer: `refuse`, `respond` or `redirect`",
    ),
    Code(
        code="R108",
        title="a pattern with characters beyond ASCII",
        why="paths are bytes: a raw path carries such a character percent-encoded, a normalised one as UTF-8",
        error=InvalidPattern,
    ),
    Code(
        code="R109",
        title="the patterns need too much memory",
        why="all of them are matched at once, by one automaton that has to fit",
        error=InvalidPattern,
    ),
    Code(
        code="R110",
        title="the route can never win",
        why="first match wins, and an earlier route takes every request that this one could take",
    ),
    Code(
        code="R111",
        title="the route seems never to win",
        why="first match wins, and of the requests tried here earlier routes took every one",
        severity=Severity.WARNING,
    ),
    Code(
        code="R112",
        title="the pattern is not anchored",
        why="patterns are searched for: without `^` it also matches in the middle of a path, "
        "and a client chooses what stands there",
        severity=Severity.WARNING,
    ),
    Code(
        code="R113",
        title="routes behind one that takes everything",
        why="first match wins, so nothing ever gets past a route for every path and method",
    ),
    Code(
        code="R115",
        title="the pattern cannot match this form of a path",
        why="a raw path is as the client wrote it, percent-encoded; a normalised one is decoded, "
        "with slashes merged and dot segments resolved",
    ),
    Code(
        code="R116",
        title="the guard closes what this route is for",
        why="the router answers 404 to closed prefixes before it looks at any route",
        severity=Severity.WARNING,
    ),
    Code(
        code="R117",
        title="a hostile path is slow to match",
        why="matching holds up every other request of the process, and any client can send such a path",
        severity=Severity.WARNING,
    ),
    Code(
        code="R118",
        title="not an upgrade that a route can allow",
        why="once a worker has granted it, the bytes of the connection go through unread",
    ),
    Code(
        code="R119",
        title="a key that the route's pattern does not capture",
        why="the upstream hashes a group of the pattern, and this pattern has none of that name",
    ),
    Code(
        code="R131",
        title="an answer that cannot be sent",
        why="an answer is one message with one end, and a redirect leads nowhere but where the file says",
    ),
    Code(
        code="R132",
        title="a redirect that leads back to itself",
        why="a client follows it until it gives up, since the same route takes the request again",
        severity=Severity.WARNING,
    ),
    Code(
        code="R140",
        title="something that an import has left to you",
        why="an imported file is not served before somebody has decided on what could not be carried over",
    ),
)


_WORKERS = (
    Code(
        code="W201",
        title="an upstream without endpoints",
        why="every request that is sent there would be answered 503",
    ),
    Code(
        code="W202",
        title="no route uses the upstream",
        why="its workers get no requests, which is seldom what they were started for",
        severity=Severity.WARNING,
    ),
    Code(
        code="W203",
        title="the same endpoint twice in an upstream",
        why="it would be tried again after it failed, and its share would be counted twice",
    ),
    Code(
        code="W204",
        title="policy and key do not fit together",
        why="`hash` and `consistent_hash` hash a key, and no other policy does",
    ),
    Code(
        code="W205",
        title="an endpoint is the router itself",
        why="a request would go round until every connection is used up",
    ),
    Code(
        code="W206",
        title="an instance that Synapse's files do not know",
        why="the name tells people which process an endpoint is; one that is no process tells them nothing",
        severity=Severity.WARNING,
    ),
    Code(
        code="W207",
        title="an endpoint that is another instance, by Synapse's files",
        why="requests meant for one process go to another, which may not be able to serve them",
    ),
    Code(
        code="W208",
        title="an endpoint that Synapse's files do not know",
        why="where no process listens, every request waits for another candidate or is answered 502",
        severity=Severity.WARNING,
    ),
    Code(
        code="W209",
        title="an endpoint that serves no clients, by Synapse's files",
        why="a listener without resources answers to /health alone, and 404 to everything else",
    ),
    Code(
        code="W210",
        title="an endpoint where one side speaks TLS, by Synapse's files, and the other does not",
        why="neither understands the other, so every request is answered 502 or 503",
    ),
    Code(
        code="W211",
        title="writes of a stream that would not reach its writer",
        why="a process that does not write the stream fails such a request with 500, main included",
    ),
    Code(
        code="W212",
        title="requests for main that would reach a worker",
        why="a worker answers 404 M_UNRECOGNIZED to what only the main process can serve",
    ),
    Code(
        code="W213",
        title="requests for a resource that the listener does not have",
        why="Synapse answers 404 to a path whose resource the listener does not name",
    ),
    Code(
        code="W214",
        title="a key that does not fit endpoints found by DNS",
        why="a `dns:` stands for as many endpoints as DNS finds, and nobody knows which one would be meant",
    ),
    Code(
        code="W220",
        title="a limit below what Synapse takes of uploads",
        why="clients ask Synapse how large an upload may be; what it allows would be refused here with 413",
        severity=Severity.WARNING,
    ),
    Code(
        code="W221",
        title="one endpoint with TLS in two ways",
        why="connections to it are shared by all upstreams, and its state is one",
    ),
    Code(
        code="W222",
        title="an upstream of which no endpoint may be asked",
        why="every request that is sent there would be answered 503",
    ),
    Code(
        code="W223",
        title="a backup where requests are hashed",
        why="a hash leads to every endpoint of the upstream; nginx refuses this too",
    ),
)


_HARDENING = (
    Code(
        code="H301",
        title="an endpoint is a replication, metrics or manhole listener",
        why="replication takes any request without a token: whoever reaches it owns the homeserver; metrics "
        "tell what goes on inside, and a manhole is a shell in the process",
        error=ReplicationExposed,
    ),
    Code(
        code="H302",
        title="replication cannot be opened",
        why="/_synapse/replication lets anybody act as a worker, so it stays closed whatever the file says",
        error=ReplicationExposed,
    ),
    Code(
        code="H303",
        title="the admin listener is open to the network",
        why="it has no login, and it tells routes, endpoints and their state to whoever asks",
        error=ConfigError,
    ),
    Code(
        code="H304",
        title="no port is named as replication",
        why="the guard can only keep away from replication listeners that it knows",
        error=ReplicationExposed,
    ),
    Code(
        code="H305",
        title="a limit beyond what Synapse takes",
        why="Twisted takes 16,384 bytes of headers and 500 fields, the router's own included; beyond that "
        "it drops the connection, and the client sees a 502 in place of a 431",
        severity=Severity.WARNING,
    ),
    Code(
        code="H306",
        title="idle connections are kept longer than Synapse keeps them",
        why="Twisted closes an idle connection after 60 s; a request that is sent just then is lost",
        severity=Severity.WARNING,
    ),
    Code(
        code="H307",
        title="a file of Synapse's cannot be read",
        why="the guard would not know the replication listeners in it, and could not keep away from them",
        error=ConfigError,
    ),
    Code(
        code="H308",
        title="a file of Synapse's says something that cannot be understood",
        why="it may be a replication listener, and the guard can only keep away from those that it knows",
        error=ConfigError,
    ),
    Code(
        code="H309",
        title="Synapse is not told to believe X-Forwarded-For",
        why="without `x_forwarded: true` Synapse logs the router's address for every client, and limits "
        "the rate of all of them together",
        severity=Severity.WARNING,
    ),
    Code(
        code="H310",
        title="one listener for clients and for what clients must not reach",
        why="whoever can reach it for the one can reach it for the other, so the guard closes all of it",
        severity=Severity.WARNING,
    ),
    Code(
        code="H331",
        title="everybody is a trusted proxy",
        why="anybody can then claim any address by an X-Forwarded-For of their own",
        severity=Severity.WARNING,
    ),
    Code(
        code="H332",
        title="clients without an address",
        why="a peer on a unix socket has none: Synapse and the limits would take all clients for one, "
        "127.0.0.1",
        severity=Severity.WARNING,
    ),
    Code(
        code="H320",
        title="one client's limit of connections is above that of all",
        why="one address can then take every connection there is, and everybody else is turned away",
        severity=Severity.WARNING,
    ),
    Code(
        code="H321",
        title="a certificate, or the key for it, cannot be used",
        why="a listener for TLS without them would turn every client away",
        error=CertificateUnusable,
    ),
    Code(
        code="H322",
        title="a certificate that clients will not take",
        why="clients and other servers end the connection before they have sent anything",
        severity=Severity.WARNING,
    ),
)


_NGINX = (
    Code(
        code="N401",
        title="the nginx configuration cannot be read",
        why="nginx does not read it either, so there is nothing to import",
    ),
    Code(
        code="N402",
        title="a directive of nginx that is not carried over",
        why="requests go where nginx sends them, but something about them is otherwise",
        severity=Severity.WARNING,
    ),
    Code(
        code="N403",
        title="a key of nginx that is not carried over",
        why="the same user or room would be sent to another worker than nginx chooses",
    ),
    Code(
        code="N404",
        title="routing of nginx that is not carried over",
        why="requests would not go where nginx sends them",
    ),
    Code(
        code="N405",
        title="files that nginx serves",
        why="the router serves no files",
        severity=Severity.WARNING,
    ),
    Code(
        code="N406",
        title="a path that nginx changes before it sends it",
        why="the router forwards every target byte for byte, as Synapse wants it",
        severity=Severity.WARNING,
    ),
)


CODES = MappingProxyType(
    {code.code: code for group in (_SYNTAX, _ROUTING, _WORKERS, _HARDENING, _NGINX) for code in group}
)
