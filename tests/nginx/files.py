"""Small nginx.conf files for tests, and what importing them gives."""

from __future__ import annotations

from pathlib import Path

from router.config.findings import Findings
from router.nginx.directives import Directive
from router.nginx.importer import Imported, import_nginx
from router.nginx.reading import read
from router.table import Route

UPSTREAMS = "upstream main { server 127.0.0.1:8008; } upstream w { server 127.0.0.1:8101; }\n"


def tree(folder: Path, text: str) -> tuple[Directive, ...]:
    """The directives of a file that can be read."""
    file = folder / "nginx.conf"
    file.write_text(text)
    found = read(file, Findings())
    assert found is not None
    return found


def imported(folder: Path, text: str) -> Imported:
    """What becomes of a file with that text behind two upstreams, `main` and `w`."""
    file = folder / "nginx.conf"
    file.write_text(UPSTREAMS + text)
    return import_nginx(file)


def routes(of: Imported) -> list[str]:
    """Each route as its pattern, its conditions, and where it goes."""
    assert of.config is not None
    return [_shown(route) for route in of.config.table.routes[:-1]]


def _shown(route: Route) -> str:
    conditions = "".join(f" and {condition}" for condition in route.conditions)
    answer = route.upstream or getattr(route.answer, "status", None)
    return f"{route.pattern.text}{conditions} -> {answer}"


def codes(of: Imported) -> list[str]:
    """Every finding as CODE and line, of the lines behind those with the upstreams."""
    return [f"{one.code} {one.source.line - 1}" if one.source else one.code for one in of.findings]
