"""JSON out of a YAML file: a word without quotes that is a number, true, false or null in JSON is that."""

from __future__ import annotations

import json
import re

from router.config.nodes import Items, Node, Scalar

_PLAIN = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def json_text(node: Node) -> str:
    """The same as JSON, in ASCII. Numbers stay as they are written."""
    if isinstance(node, Scalar):
        if node.is_null:
            return "null"
        return node.text if not node.quoted and _PLAIN.fullmatch(node.text) else json.dumps(node.text)
    if isinstance(node, Items):
        return f"[{', '.join(map(json_text, node.items))}]"
    members = (f"{json.dumps(entry.key.text)}: {json_text(entry.value)}" for entry in node.entries)
    return f"{{{', '.join(members)}}}"
