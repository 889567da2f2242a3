from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from router import errors
from router.errors import ConfigError, DownstreamError, ProxyError, RouterError, Source, UpstreamError
from router.proxy.replies import REASONS


def _below(kind: type[RouterError]) -> Iterator[type[RouterError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from _below(child)


SERVING = [kind for kind in _below(ProxyError) if kind not in (DownstreamError, UpstreamError)]


@pytest.mark.parametrize("kind", [*_below(RouterError)], ids=lambda kind: kind.__name__)
def test_every_error_stands_in_the_tree_with_its_status(kind: type[RouterError]) -> None:
    assert errors.__doc__ is not None
    assert re.search(rf"\b{kind.__name__}\b", errors.__doc__)
    if kind in SERVING and issubclass(kind, ProxyError):
        assert f"{kind.__name__} {kind.status}" in errors.__doc__


@pytest.mark.parametrize("kind", SERVING, ids=lambda kind: kind.__name__)
def test_every_serving_error_knows_how_to_be_answered(kind: type[ProxyError]) -> None:
    assert kind.reason
    assert kind.errcode.startswith("M_")
    assert kind.status == 499 or kind.status in REASONS


def test_a_config_error_says_where() -> None:
    source = Source(file="routes.yaml", line=41, column=13)
    assert str(ConfigError("no such upstream", source=source)) == "routes.yaml:41: no such upstream"
    assert str(ConfigError("no such file")) == "no such file"


def test_only_a_failed_connect_proves_that_the_worker_saw_nothing() -> None:
    retryable = {kind.__name__ for kind in SERVING if issubclass(kind, UpstreamError) and kind.retryable}
    assert retryable == {"ConnectFailed", "ConnectTimeout", "OutOfResources"}
