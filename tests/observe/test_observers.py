from __future__ import annotations

from pathlib import Path

from router.observe.accesslog import AccessLog
from router.observe.metrics import Metrics
from router.observe.misroutes import Misroutes
from router.observe.observers import Observers
from tests.observe.records import TABLE, answered, changed, unrecognized


def test_everybody_is_told_and_misroutes_of_suspect_answers_alone(tmp_path: Path) -> None:
    metrics, log = Metrics(), AccessLog(str(tmp_path / "log"))
    misroutes = Misroutes(
        table=lambda: TABLE,
        stream_of=lambda _method, _path: "",
        shape_of=lambda path: path.decode(),
        served_by=lambda _method, _shape: frozenset({"main"}),
    )
    observers = Observers(metrics, misroutes, log, lambda: 0.0)
    suspect = changed(answered(status=404), opening=unrecognized())
    for exchange in (answered(), suspect):
        observers.begin(exchange)
        assert metrics.routes["sync"].in_flight == 1
        observers.finish(exchange)
    log.close()
    assert metrics.routes["sync"].in_flight == 0
    assert sum(metrics.requests.values()) == 2
    assert list(misroutes.unrecognized.values()) == [1]
    assert (tmp_path / "log").read_bytes().count(b"\n") == 2
