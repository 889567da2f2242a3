"""The `synapse:` of the file: which of Synapse's own files to read, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from router.config.fields import mapping, one_or_more
from router.config.findings import Findings
from router.config.nodes import Items, Node
from router.config.values import word
from router.synapse.deployment import Deployment, Pointer, read_deployment
from router.synapse.listener import ProblemKind

_CODES = MappingProxyType({ProblemKind.UNREADABLE: "H307", ProblemKind.MISSHAPEN: "H308"})
_EXAMPLE = "write `homeserver: /etc/matrix-synapse/homeserver.yaml`"


def read_synapse(node: Node | None, folder: Path, findings: Findings) -> Deployment | None:
    """The deployment that Synapse's files describe; None where none are named.

    Paths are relative to `folder`. What cannot be read or understood is an error: the guard would
    be blind to it.
    """
    fields = mapping(node, ("homeserver", "workers"), findings, "`synapse`", fix=_EXAMPLE)
    if fields is None:
        return None
    homeserver = _pointers(fields.need("homeserver", _EXAMPLE), folder, findings, "`homeserver`")
    workers = _pointers(fields.get("workers"), folder, findings, "`workers`")
    deployment = read_deployment(homeserver, workers)
    for problem in deployment.problems:
        findings.add(_CODES[problem.kind], problem.message, problem.source, fix=problem.fix)
    for instance in deployment.instances:
        for listener in instance.listeners:
            if listener.closed_as and listener.serves:
                parts = ", ".join(sorted(listener.resources))
                findings.add(
                    "H310",
                    f"a listener of `{instance.name}` has {parts} in one",
                    listener.source,
                    fix=f"give {listener.closed_as} a listener of its own",
                )
    return deployment


def _pointers(node: Node | None, folder: Path, findings: Findings, what: str) -> tuple[Pointer, ...]:
    if isinstance(node, Items) and not node.items:
        findings.add("S010", f"{what} lists none", node.source, fix="name a file, or remove the line")
    words = [word(item, findings, what) for item in one_or_more(node)]
    return tuple(Pointer(path=folder / each.text, source=each.source) for each in words if each is not None)
