"""Whether the endpoints of a table are what Synapse's own files say they are."""

from __future__ import annotations

from collections.abc import Iterable

from router.config.findings import Findings, Related, suggest
from router.config.listeners import is_loopback
from router.guard import could_reach
from router.synapse.deployment import MAIN, Deployment, Instance
from router.synapse.listener import Listener
from router.table import Address, DnsAddress, Endpoint, UnixAddress

Owner = tuple[Instance, Listener]


class Known:
    """The instances of a deployment, to be found by name and by the address of an endpoint."""

    __slots__ = ("_hosts", "_instances", "deployment")

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self._instances: dict[str, tuple[Instance, ...]] = {}
        for instance in deployment.instances:
            self._instances[instance.name] = (*self._instances.get(instance.name, ()), instance)
        self._hosts = {
            address.host
            for instance in deployment.instances
            for listener in instance.listeners
            for address in listener.addresses
            if not isinstance(address, UnixAddress)
        }

    @property
    def names(self) -> Iterable[str]:
        """Every instance that the files tell of."""
        return self._instances

    def listeners(self, name: str) -> list[Owner]:
        """What an endpoint with that instance may be."""
        return [
            (instance, listener)
            for instance in self._instances.get(name, ())
            for listener in instance.client_listeners
        ]

    def owners(self, address: Address | DnsAddress) -> list[Owner]:
        """The client listeners that an endpoint at that address may be; wildcards make for several."""
        if isinstance(address, DnsAddress):
            return []
        return [
            (instance, listener)
            for name in self._instances
            for instance, listener in self.listeners(name)
            if any(could_reach(address, each) for each in listener.addresses)
        ]

    def comparable(self, address: Address | DnsAddress) -> bool:
        """Whether the files would tell of a listener there.

        They would of this machine's, and of a host that they name. Another host's name is resolved
        elsewhere, and between it and Synapse a container may translate the port.
        """
        if isinstance(address, DnsAddress):
            return False
        return isinstance(address, UnixAddress) or is_loopback(address) or address.host in self._hosts

    def instance_of(self, endpoint: Endpoint) -> str | None:
        """The process that the endpoint is, as far as that is certain."""
        label = _label(endpoint)
        found = {instance.name for instance, _ in self.owners(endpoint.address)}
        if label not in found and len(found) == 1 and self.comparable(endpoint.address):
            return found.pop()
        return label if label in self._instances else None

    def resources_of(self, endpoint: Endpoint, name: str) -> frozenset[str]:
        """What the instance serves at the endpoint's address; empty where that is not known."""
        owners = self.owners(endpoint.address)
        return frozenset().union(*(listener.serves for instance, listener in owners if instance.name == name))


def judge_endpoints(endpoints: Iterable[Endpoint], known: Known, findings: Findings) -> None:
    """Adds a finding for each endpoint that the files contradict."""
    unknown: list[Endpoint] = []
    some_match = False
    matched: dict[tuple[str, int, int], tuple[Endpoint, Listener]] = {}
    for endpoint in {(one.address, one.instance): one for one in endpoints}.values():
        owners = known.owners(endpoint.address)
        some_match = some_match or bool(owners)
        mine = [listener for instance, listener in owners if _label(endpoint) in (None, instance.name)]
        if len(mine) == 1 or (mine and endpoint.instance is not None):
            place = mine[0].source
            matched.setdefault((place.file, place.line, place.column), (endpoint, mine[0]))
        elif not mine:
            _stranger(endpoint, owners, known, unknown, findings)
    _unknown(unknown, known, findings, some_match=some_match)
    for endpoint, listener in matched.values():
        _judge_listener(endpoint, listener, findings)


def _label(endpoint: Endpoint) -> str | None:
    return MAIN if endpoint.instance == "master" else endpoint.instance


def _stranger(
    endpoint: Endpoint, owners: list[Owner], known: Known, unknown: list[Endpoint], findings: Findings
) -> None:
    """An endpoint that is no listener of the instance that it names, or of any."""
    label = _label(endpoint)
    comparable = known.comparable(endpoint.address)
    if label is not None and label not in known.names:
        if known.deployment.has_workers:
            findings.add(
                "W206",
                f"Synapse's files know no instance `{label}`",
                endpoint.source,
                fix=_rename(label, {instance.name for instance, _ in owners} if comparable else set(), known),
            )
        return
    if label is not None and not known.listeners(label):
        findings.add(
            "W207",
            f"`{label}` has no listener for clients, and cannot be {endpoint.name}",
            endpoint.source,
            fix="remove the endpoint, or give the instance a listener with `names: [client]`",
        )
    elif label is not None and owners and comparable:
        instance, listener = owners[0]
        findings.add(
            "W207",
            f"{endpoint.name} is `{instance.name}`, not `{label}`",
            endpoint.source,
            related=(Related(source=listener.source, note=f"the listener of `{instance.name}`"),),
            fix=f"write `instance: {instance.name}`, or the address of `{label}`: {_where(label, known)}",
        )
    elif comparable and (known.deployment.has_workers or label == MAIN):
        unknown.append(endpoint)


def _rename(label: str, there: set[str], known: Known) -> str:
    """What to write for a name that the files do not know: who listens `there`, or what looks like it."""
    if len(there) == 1:
        return f"write `{there.pop()}`, which listens there"
    near = suggest(label, known.names)
    return f"write `{near}`" if near else f"they know {', '.join(sorted(known.names))}"


def _where(label: str, known: Known) -> str:
    """The addresses of an instance, in few words."""
    found = [str(address) for _, listener in known.listeners(label) for address in listener.addresses]
    return ", ".join(found) or "none"


def _unknown(unknown: list[Endpoint], known: Known, findings: Findings, *, some_match: bool) -> None:
    """One finding for each, or one for all where the files seem to be of another deployment."""
    if unknown and not some_match:
        findings.add(
            "W208",
            f"no endpoint is a client listener in Synapse's files, {unknown[0].name} for one",
            unknown[0].source,
            fix="name the files of this deployment below `synapse:`, and the addresses that Synapse binds to",
        )
        return
    for endpoint in unknown:
        label = _label(endpoint)
        findings.add(
            "W208",
            f"no client listener in Synapse's files is {endpoint.name}",
            endpoint.source,
            fix=f"`{label}` listens on {_where(label, known)}" if label else "write the address of a worker",
        )


def _judge_listener(endpoint: Endpoint, listener: Listener, findings: Findings) -> None:
    """Findings on the listener that the endpoint is."""
    related = (Related(source=endpoint.source, note="the endpoint"),) if endpoint.source else ()
    where = (Related(source=listener.source, note="the listener in Synapse's files"),)
    if not listener.serves:
        findings.add(
            "W209",
            f"{endpoint.name} answers to nothing but /health",
            endpoint.source,
            related=where,
            fix="name a listener with `names: [client]`, or give this one its resources",
        )
    if listener.tls != (endpoint.tls is not None):
        said = "speaks TLS, and the endpoint does not say so" if listener.tls else "speaks no TLS"
        findings.add(
            "W210",
            f"{endpoint.name} {said}",
            endpoint.source,
            related=where,
            fix=f"write `{{address: '{endpoint.name}', tls: true}}`, or with a `ca:` of your own"
            if listener.tls
            else "remove its `tls:`, or give that listener `tls: true`",
        )
    if listener.serves and not listener.x_forwarded:
        findings.add(
            "H309",
            f"the listener of {endpoint.name} has no `x_forwarded: true`",
            listener.source,
            related=related,
            fix="add it to the listener in Synapse's file, and restart that process",
        )
