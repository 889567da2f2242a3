"""Query parameters as Twisted reads them: that is what Synapse is given."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

# Numbers: bytes look for bytes in themselves only after an attempt to take them for a number.
_PERCENT: Final = 0x25
_PLUS: Final = 0x2B
_SEMICOLON: Final = 0x3B
_EQUALS: Final = 0x3D


def find_parameter(query: bytes, name: bytes) -> bytes | None:
    """The first value of a parameter, decoded, or None; `query` comes without its `?`.

    As twisted.web.http.parse_qs with `keep_blank_values`: `&` and `;` part the items, `+` is a blank,
    escapes are decoded once and bad ones kept, `name=` is there with an empty value, `name` is not.
    """
    encoded = _PERCENT in query or _PLUS in query
    size = len(name)
    if _SEMICOLON in query:
        query = query.replace(b";", b"&")
    for item in query.split(b"&"):
        if encoded:
            key, equals, value = item.partition(b"=")
            if equals and len(key) >= size and _decode(key) == name:
                return _decode(value)
        elif item.startswith(name) and len(item) > size and item[size] == _EQUALS and _EQUALS not in name:
            return item[size + 1 :]
    return None


def _decode(text: bytes) -> bytes:
    if _PLUS in text:
        text = text.replace(b"+", b" ")
    return unquote_to_bytes(text) if _PERCENT in text else text
