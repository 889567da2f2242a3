"""The `limits:` of the file: sizes, counts and rates, and what Synapse's own files say of uploads."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

from router.config.fields import mapping
from router.config.findings import Findings
from router.config.nodes import Node
from router.config.values import size, whole
from router.settings import Limits

_KEYS = tuple(field.name for field in dataclasses.fields(Limits))
_COUNTS = MappingProxyType(
    {
        "header_count": 1,
        "connections": 1,
        "connections_per_client": 1,
        "requests_per_connection": 1,
        "queue": 0,
        "body_rate": 0,
        "send_rate": 0,
    }
)
"""The keys that are no sizes, with the least that can be written: no rate, or nobody who waits."""

_TWISTED = (("headers", 16_384, "16000"), ("header_count", 500, "100"))


def read_limits(node: Node | None, findings: Findings, *, max_upload_size: int | None = None) -> Limits:
    """The file's limits; where one is wrong there is a finding, and the default stands in for it.

    `max_upload_size` (bytes) is what Synapse takes, where that is known: the default of `media_body`.
    """
    default = Limits() if max_upload_size is None else Limits(media_body=max_upload_size)
    fields = mapping(node, _KEYS, findings, "`limits`")
    if fields is None:
        return default
    read: dict[str, int] = {}
    for key in _KEYS:
        written = fields.get(key)
        if written is None:
            continue
        least = _COUNTS.get(key)
        value = (
            size(written, findings, f"`{key}`")
            if least is None
            else whole(written, findings, f"`{key}`", least=least)
        )
        if value is not None:
            read[key] = value
    for key, most, advice in _TWISTED:
        if read.get(key, 0) > most:
            findings.add(
                "H305", f"`{key}` is above {most:,}", fields.place(key), fix=f"write `{advice}` or less"
            )
    if max_upload_size is not None and read.get("media_body", max_upload_size) < max_upload_size:
        findings.add(
            "W220",
            f"`media_body` is below Synapse's `max_upload_size` of {max_upload_size:,} bytes",
            fields.place("media_body"),
            fix="remove the line: the default is what Synapse takes",
        )
    each, in_all = read.get("connections_per_client"), read.get("connections")
    if each is not None and in_all is not None and each > in_all:
        findings.add(
            "H320",
            f"`connections_per_client` is above `connections`, {in_all:,}",
            fields.place("connections_per_client"),
            fix="write a part of it",
        )
    return dataclasses.replace(default, **read)
