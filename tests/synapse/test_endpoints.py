from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from router.synapse import catalogue
from router.synapse.coverage import Judged, Verdict
from router.synapse.endpoints import CANNOT, NOT_RIGHT, RIGHT, count, main, report
from router.synapse.reasons import parse, review
from tests.synapse.test_coverage import endpoint
from tests.synapse.test_reasons import judged

ROUTES = Path(__file__).parents[2] / "routes.yaml"


def run(text: str, folder: Path) -> int:
    file = folder / "routes.yaml"
    file.write_text(text, encoding="utf-8")
    return main(["-c", str(file)])


def shipped() -> str:
    return ROUTES.read_text(encoding="utf-8")


def test_the_shipped_table_is_right_and_main_has_its_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-c", str(ROUTES)]) == RIGHT
    told = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert lines[0].startswith(
        f"Synapse {catalogue.shipped().synapse}: {len(catalogue.shipped().endpoints)} endp"
    )
    assert "0 wrong" in lines
    assert "DELETE, PUT /_matrix/client/v3/user/@user:localhost/rooms/!room:localhost/tags/u.example" in lines
    assert lines.count("POST /_matrix/client/v3/logout") == 1


def test_what_is_wrong_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shipped().replace("upstream: receipts", "upstream: generic-worker", 1)
    assert run(text, tmp_path) == NOT_RIGHT
    told = capsys.readouterr().out
    assert "read_markers: to generic-worker by receipts; served by writer of receipts" in told


def test_what_burdens_main_without_a_reason_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shipped().replace("upstream: generic-worker-room", "upstream: synapse", 1)
    assert run(text, tmp_path) == NOT_RIGHT
    told = capsys.readouterr().out
    assert "without a line in reasons.tsv:" in told
    assert "/messages: to synapse by messages; served by main, worker (on main by choice)" in told


def test_a_reason_that_nothing_needs_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shipped().replace("      - '^/health$'\n", "")
    assert run(text.replace("    upstream: synapse\n", "    upstream: synapse\n", 1), tmp_path) == NOT_RIGHT
    assert "in reasons.tsv, and not needed:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["", "upstreams: {x: {endpoints: [h:1]}}\nroutes: [{path: '^/', upstream: x}]\n"]
)
def test_a_table_that_cannot_be_judged_is_said(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(text, tmp_path) == CANNOT
    told = capsys.readouterr()
    assert "routes.yaml" in told.err
    assert told.out == ""


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "router.synapse", "-c", str(ROUTES)]
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (RIGHT, b"")


def test_an_endpoint_counts_once_as_the_worst_of_its_requests() -> None:
    def asked(*verdicts: Verdict) -> list[Judged]:
        return [judged("GET", "/x", verdict) for verdict in verdicts]

    assert count(asked(Verdict.WORKER, Verdict.WRONG))[Verdict.WRONG] == 1
    assert count(asked(Verdict.WORKER, Verdict.WRONG))[Verdict.WORKER] == 0
    assert count(asked(Verdict.WORKER, Verdict.ONLY))[Verdict.ONLY] == 1
    assert count([*asked(Verdict.ONLY), judged("PUT", "/x", Verdict.ONLY)])[Verdict.ONLY] == 2


def test_the_spelling_that_main_has_is_shown_where_it_does_not_have_the_others() -> None:
    asked = endpoint("^/(v1|unstable)/x$", "main,worker", target="/v1/x")
    paths = {"/v1/x": Verdict.WORKER, "/unstable/x": Verdict.CHOICE}
    found = [
        Judged(endpoint=asked, path=path, route=None, upstream="main", verdict=verdict)
        for path, verdict in paths.items()
    ]
    told = "\n".join(report(catalogue.shipped(), found, review(found, parse("choice\t*\t/x$\twhy"))))
    assert "/unstable/x" in told
    assert "/v1/x" not in told
