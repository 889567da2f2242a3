"""What the installed Synapse can be told to do, read from its source: streams with a writer, experiments."""

from __future__ import annotations

import ast

from router.local.processes import package_folder

UNUSABLE = frozenset({"msc4108_enabled"})
"""What Synapse refuses without the Matrix Authentication Service."""


def streams() -> tuple[str, ...]:
    """The keys of `stream_writers`, in the order of Synapse's class `WriterLocations`."""
    for node in ast.walk(_module("workers")):
        if isinstance(node, ast.ClassDef) and node.name == "WriterLocations":
            fields = [line.target for line in node.body if isinstance(line, ast.AnnAssign)]
            return tuple(field.id for field in fields if isinstance(field, ast.Name))
    raise LookupError("synapse.config.workers has no class WriterLocations any more")


def experiments() -> tuple[str, ...]:
    """The keys of `experimental_features` that are off unless they are told to be on."""
    asked = {name for node in ast.walk(_module("experimental")) if (name := _off_by_default(node))}
    return tuple(sorted(asked - UNUSABLE))


def _module(name: str) -> ast.Module:
    source = package_folder("synapse") / "config" / f"{name}.py"
    return ast.parse(source.read_text(encoding="utf-8"))


def _off_by_default(node: ast.AST) -> str:
    """NAME of `experimental.get("NAME", False)`; empty for anything else."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="experimental"), attr="get"),
            args=[ast.Constant(value=str(name)), ast.Constant(value=False)],
        ):
            return name
    return ""
