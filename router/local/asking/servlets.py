"""What Synapse's own code registers: the endpoints that a process with given configuration files would mount.

Run as a program it reads a list of lists of file names from standard input, and prints for each list what
`registered` returns, as JSON; a process of its own, since Synapse changes the interpreter that imports it.

Synapse's own functions build the resources of a listener here, around a stand-in for the server that they
would run in, and the tree that comes out is walked. `/_synapse/admin`, `/_synapse/mas`,
`/_synapse/replication` and `/_synapse/metrics` are left out: no route leads there, the guard closes them.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock, patch

if TYPE_CHECKING:
    from synapse.config.homeserver import HomeServerConfig
    from twisted.web.resource import Resource

CLOSED = ("/_synapse/admin", "/_synapse/mas", "/_synapse/replication", "/_synapse/metrics")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Servlet:
    """One method of one path pattern, and the class of Synapse that answers.

    The pattern is Synapse's own; where Synapse mounts a resource without one, at a path, it is that path.
    """

    pattern: str
    method: str
    name: str


def registered(processes: Sequence[Sequence[Path]]) -> list[frozenset[Servlet]]:
    """What each process registers that would read these configuration files; takes 3 s.

    Raises subprocess.CalledProcessError, with Synapse's complaint on standard error, if a file is wrong.
    """
    asked = json.dumps([[str(file) for file in files] for files in processes])
    told = subprocess.run(
        [sys.executable, "-m", "router.local.asking.servlets"],
        input=asked,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return [frozenset(Servlet(**servlet) for servlet in servlets) for servlets in json.loads(told.stdout)]


def main() -> None:
    """Answers `registered` on standard output."""
    logging.disable(logging.CRITICAL)  # of metrics that two processes in one interpreter have twice
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Twisted warns of itself while it is imported
        from synapse.config.homeserver import HomeServerConfig  # noqa: PLC0415 -- see above

    answers = []
    for files in json.load(sys.stdin):
        options = [word for file in files for word in ("-c", file)]
        found = _servlets(HomeServerConfig.load_config("", options))
        answers.append([asdict(servlet) for servlet in sorted(found)])
    json.dump(answers, sys.stdout)


def _servlets(config: HomeServerConfig) -> set[Servlet]:
    return {servlet for tree in _trees(config) for servlet in _walk(tree, "") if not _is_closed(servlet)}


def _is_closed(servlet: Servlet) -> bool:
    return servlet.pattern.removeprefix("^").startswith(CLOSED)


def _trees(config: HomeServerConfig) -> list[Resource]:
    """The tree of resources of each HTTP listener."""
    import synapse.rest  # noqa: PLC0415 -- not before main()
    from synapse.api.auth.mas import MasDelegatedAuth  # noqa: PLC0415
    from synapse.app import generic_worker, homeserver  # noqa: PLC0415
    from synapse.rest.media.media_repository_resource import MediaRepositoryResource  # noqa: PLC0415

    # Synapse adds to this one for the whole interpreter, as it has but one process in each.
    synapse.rest.SERVLET_GROUPS.pop("media", None)
    server = MagicMock()
    server.config = config
    server.hostname = config.server.server_name
    server.get_instance_name.return_value = config.worker.instance_name
    if config.mas.enabled:  # some resources want to see which kind of authentication it is
        server.get_auth.return_value.__class__ = MasDelegatedAuth
    server.get_media_repository_resource = partial(MediaRepositoryResource, server)
    server._module_web_resources = {}  # noqa: SLF001 -- the stand-in's own
    main_process = homeserver.SynapseHomeServer
    server._configure_named_resource = partial(main_process._configure_named_resource, server)  # noqa: SLF001

    trees: list[Resource] = []

    def note(_server: Any, _listener: Any, tree: Resource, *_rest: Any, **_more: Any) -> list[Any]:  # noqa: ANN401
        trees.append(tree)
        return []

    if config.worker.worker_app is None:
        with patch("synapse.app.homeserver.listen_http", note):
            for listener in config.server.listeners:
                main_process._listener_http(server, config, listener)  # noqa: SLF001
    else:
        with patch("synapse.app._base.listen_http", note):
            for listener in config.worker.worker_listeners:
                generic_worker.GenericWorkerServer._listen_http(server, listener)  # noqa: SLF001
    return trees


def _walk(resource: Resource, path: str) -> Iterator[Servlet]:
    """The endpoints of a resource, mounted at that path, and of those below it."""
    from synapse.http.server import JsonResource, StaticResource  # noqa: PLC0415 -- not before main()

    if isinstance(resource, JsonResource):
        for known, methods in resource._routes.items():  # noqa: SLF001 -- nothing public tells
            for name, entry in methods.items():
                yield Servlet(
                    pattern=known.pattern, method=name.decode("ascii"), name=entry.servlet_classname
                )
    else:
        below = "/(?P<file>.*)" if isinstance(resource, StaticResource) else ""
        for method in _methods(resource):
            pattern = f"^{path or '/'}".replace(".", r"\.") + f"{below}$"
            yield Servlet(pattern=pattern, method=method, name=type(resource).__name__)
    for segment, child in resource.children.items():
        yield from _walk(child, f"{path}/{segment.decode('ascii')}")


def _methods(resource: Resource) -> Iterator[str]:
    """Those that a resource of Twisted or Synapse has a method of its class for; HEAD goes with GET."""
    for method in ("DELETE", "GET", "POST", "PUT"):
        if hasattr(resource, f"render_{method}") or hasattr(resource, f"_async_render_{method}"):
            yield method


if __name__ == "__main__":
    main()
