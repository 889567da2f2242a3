"""Synapse's tree of resources, walked by Synapse's and Twisted's own code: where a raw path leads there."""

from __future__ import annotations

import warnings
from urllib.parse import unquote_to_bytes

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Twisted warns of itself while it is imported
    from synapse.http.server import UnrecognizedRequestResource
    from synapse.util.httpresourcetree import create_resource_tree
    from twisted.web.resource import Resource, getChildForRequest
    from twisted.web.test.requesthelper import DummyRequest


class Mounted(Resource):
    """A leaf, as Synapse's JsonResource is, that knows where it was mounted."""

    isLeaf = True  # noqa: N815 -- Twisted's

    def __init__(self, prefix: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.prefix = prefix


class MountedFolder(Mounted):
    """A resource with children of its own, as Synapse's MasResource is."""

    isLeaf = False  # noqa: N815 -- Twisted's

    def getChild(self, path: bytes, request: object) -> Resource:  # noqa: ARG002, N802 -- Twisted's
        return self


LEAVES = (
    "/_matrix/client/r0", "/_matrix/client/v3", "/_matrix/federation", "/_matrix/key", "/_matrix/media",
    "/_synapse/admin", "/_synapse/replication", "/_synapse/client/pick_idp", "/.well-known", "/health",
)  # fmt: skip
TREE = create_resource_tree(
    {**{prefix: Mounted(prefix) for prefix in LEAVES}, "/_synapse/mas": MountedFolder("/_synapse/mas")},
    UnrecognizedRequestResource(),  # type: ignore[no-untyped-call]
)


def reached(path: bytes) -> str:
    """The prefix whose resource is found for a raw path; empty where Synapse says M_UNRECOGNIZED.

    The segments are split and decoded as twisted.web.server.Request.process does it.
    """
    request = DummyRequest([unquote_to_bytes(segment) for segment in path[1:].split(b"/")])
    found = getChildForRequest(TREE, request)  # type: ignore[no-untyped-call]
    return found.prefix if isinstance(found, Mounted) else ""
