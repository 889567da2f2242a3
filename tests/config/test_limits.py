from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from router.config.loader import Loaded, load, load_bytes
from router.settings import Limits
from tests.config.files import CLEAN, fix, marked, places
from tests.synapse.files import HOMESERVER, write

SYNAPSE = "synapse: {homeserver: homeserver.yaml}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{connections: 5_000, body: 1KB}", Limits(connections=5000, body=1000)),
        ("{connections: 1, connections_per_client: 1}", Limits(connections=1, connections_per_client=1)),
        ("{requests_per_connection: 1}", Limits(requests_per_connection=1)),
        ("{body_rate: 0, send_rate: 0}", Limits(body_rate=0, send_rate=0)),
        ("{media_body: 1KiB}", Limits(media_body=1024)),
        ("{queue: 0}", Limits(queue=0)),
    ],
)
def test_what_the_file_says(text: str, expected: Limits) -> None:
    loaded = load_bytes(f"{CLEAN}limits: {text}\n".encode())
    assert loaded.findings == ()
    assert loaded.settings.limits == expected


@pytest.mark.parametrize(
    ("text", "code", "caret"),
    [
        ("{connections: 0}", "S011", "0"),
        ("{connections_per_client: none}", "S011", "none"),
        ("{requests_per_connection: 1KiB}", "S011", "1KiB"),
        ("{body_rate: -1}", "S011", "-1"),
        ("{headers: 16385}", "H305", "16385"),
        ("{header_count: 501}", "H305", "501"),
        ("{connections: 10, connections_per_client: 11}", "H320", "11"),
    ],
)
def test_what_is_wrong_with_it(text: str, code: str, caret: str) -> None:
    assert [place.split()[0] for place in places(f"{CLEAN}limits: {text}\n")] == [code]
    assert marked(f"{CLEAN}limits: {text}\n", code) == caret


@pytest.mark.parametrize("text", ["{headers: 16384}", "{connections: 10, connections_per_client: 10}"])
def test_what_is_just_right(text: str) -> None:
    assert places(f"{CLEAN}limits: {text}\n") == []


def with_synapse(folder: Path, homeserver: str, limits: str) -> Loaded:
    write(folder / "homeserver.yaml", HOMESERVER.replace("max_upload_size: 50M\n", homeserver))
    return load(write(folder / "routes.yaml", SYNAPSE + CLEAN + limits))


@pytest.mark.parametrize(
    ("homeserver", "limits", "media_body"),
    [
        ("max_upload_size: 100M\n", "", 100 * 1024**2),
        ("max_upload_size: 1000\n", "", 1000),
        ("", "", 50 * 1024**2),
        ("max_upload_size: 100M\n", "limits: {body: 1KiB}\n", 100 * 1024**2),
        ("max_upload_size: 100M\n", "limits: {media_body: 100MiB}\n", 100 * 1024**2),
        ("max_upload_size: 100M\n", "limits: {media_body: 200MiB}\n", 200 * 1024**2),
    ],
)
def test_uploads_may_be_as_large_as_synapse_takes(
    tmp_path: Path, homeserver: str, limits: str, media_body: int
) -> None:
    loaded = with_synapse(tmp_path, homeserver, limits)
    assert "W220" not in [finding.code for finding in loaded.findings]
    assert loaded.settings.limits.media_body == media_body


def test_what_the_file_says_wins_and_is_told_where_it_is_less(tmp_path: Path) -> None:
    loaded = with_synapse(tmp_path, "max_upload_size: 100M\n", "limits: {media_body: 99MiB}\n")
    (finding,) = [each for each in loaded.findings if each.code == "W220"]
    assert "104,857,600" in finding.message
    assert finding.source is not None
    assert finding.source.line == 4
    assert loaded.settings.limits == replace(Limits(), media_body=99 * 1024**2)


def test_a_size_with_the_wrong_unit_says_how_it_is_written() -> None:
    assert (
        fix(f"{CLEAN}limits: {{media_body: 50M}}\n", "S011") == "write `50MiB` (by 1024) or `50MB` (by 1000)"
    )
