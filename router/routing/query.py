"""Query parameters as Twisted reads them: that is what Synapse is given."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes


def find_parameter(query: bytes, name: bytes) -> bytes | None:
    """The first value of a parameter, decoded, or None; `query` comes without its `?`.

    As twisted.web.http.parse_qs with `keep_blank_values`: `&` and `;` part the items, `+` is a blank,
    escapes are decoded once and bad ones kept, `name=` is there with an empty value, `name` is not.
    """
    if name not in query and b"%" not in query and b"+" not in query:
        return None
    for item in query.replace(b";", b"&").split(b"&"):
        key, equals, value = item.partition(b"=")
        if equals and len(key) >= len(name) and _decode(key) == name:
            return _decode(value)
    return None


def _decode(text: bytes) -> bytes:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    return unquote_to_bytes(text) if b"%" in text else text
