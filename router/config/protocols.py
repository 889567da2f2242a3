"""The `upgrade:` of a route: which protocols a connection may leave HTTP for."""

from __future__ import annotations

import re

from router.config.fields import one_or_more
from router.config.findings import Findings
from router.config.nodes import Items, Node
from router.config.values import short, word

_PROTOCOL = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?")
"""RFC 9110 section 7.8: a name, with a version where it has one."""

_NEVER = re.compile(r"h2c?|h3|(?:http|tls|ssl)(?:/.*)?", re.IGNORECASE)
"""Further HTTP, which would be requests that no route is asked for, and what hides them."""


_SWITCHES = frozenset({"true", "yes", "on", "false", "no", "off"})
"""Words for whoever takes the key for a switch: no protocol has such a name."""


def protocols(
    node: Node | None, findings: Findings, *, methods: frozenset[str] | None, forwards: bool
) -> tuple[str, ...]:
    """The protocols, each once, as they are written."""
    if node is None:
        return ()
    if isinstance(node, Items) and not node.items:
        findings.add("S010", "`upgrade:` lists none", node.source, fix="write `upgrade: websocket`")
    found: dict[str, str] = {}
    for item in one_or_more(node):
        scalar = word(item, findings, "`upgrade`")
        if scalar is None:
            continue
        if not _PROTOCOL.fullmatch(scalar.text) or scalar.text.lower() in _SWITCHES:
            findings.add(
                "R118",
                f"`{short(scalar.text)}` is not the name of a protocol",
                scalar.source,
                fix="write `websocket`, or leave `upgrade` out",
            )
        elif _NEVER.fullmatch(scalar.text):
            findings.add(
                "R118",
                f"`{short(scalar.text)}` is never passed on",
                scalar.source,
                why="what went through it would be requests that the guard and the routes never see",
                fix="remove it",
            )
        else:
            found.setdefault(scalar.text.lower(), scalar.text)
    if not forwards or (methods is not None and "GET" not in methods):
        findings.add(
            "R118",
            "a route that forwards no GET has no use for `upgrade`",
            node.source,
            why="only a GET can ask for another protocol here, and only a worker can grant it",
            fix="remove it",
        )
    return tuple(found.values())
