"""Small routes.yaml files for tests, and what is found in them."""

from __future__ import annotations

from router.config.loader import Loaded, load_bytes

UPSTREAMS = "upstreams: {main: {endpoints: [127.0.0.1:8008]}, w: {endpoints: [127.0.0.1:8101]}}\n"
ROUTES = "routes: [{path: '^/x$', upstream: w}, {path: '^/', upstream: main}]\n"
CLEAN = UPSTREAMS + ROUTES


def loaded(text: str) -> Loaded:
    """What became of a file."""
    return load_bytes(text.encode())


def places(text: str | bytes) -> list[str]:
    """Every finding of a file as `CODE line:column`."""
    content = text.encode() if isinstance(text, str) else text
    return [
        f"{one.code} {one.source.line}:{one.source.column}" if one.source else one.code
        for one in load_bytes(content).findings
    ]


def marked(text: str, code: str) -> str:
    """The text that the caret stands under, for the first finding with that code."""
    loaded = load_bytes(text.encode())
    source = next(one.source for one in loaded.findings if one.code == code)
    assert source is not None
    line = loaded.document.lines[source.line - 1]
    return line[source.column - 1 : source.column - 1 + source.length]


def fix(text: str, code: str) -> str:
    """What to write instead, for the first finding with that code."""
    return next(one.fix for one in load_bytes(text.encode()).findings if one.code == code)
