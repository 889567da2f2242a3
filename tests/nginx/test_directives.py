from __future__ import annotations

from router.errors import Source
from router.nginx.directives import Directive

HERE = Source(file="nginx.conf", line=1)


def directive(name: str, *args: str, block: tuple[Directive, ...] | None = None) -> Directive:
    return Directive(name=name, args=args, source=HERE, block=block)


def test_what_stands_below_a_directive_by_name() -> None:
    first, second, other = directive("listen", "80"), directive("listen", "443"), directive("root", "/x")
    server = directive("server", block=(first, other, second))
    assert list(server.all("listen")) == [first, second]
    assert server.last("listen") is second
    assert server.last("include") is None
    assert list(first.all("listen")) == []
