from __future__ import annotations

from router.admin.table import routes_as_list
from tests.admin.processes import TABLE


def test_every_line_is_there_in_order() -> None:
    routes = routes_as_list(TABLE)
    assert [route["route"] for route in routes] == [
        "initial_sync",
        "sync",
        "media",
        "gone",
        "media",
        "unmatched",
    ]
    assert [route["source"] for route in routes] == [*(f"routes.yaml:{n}" for n in range(12, 17)), None]


def test_a_line_says_all_it_asks() -> None:
    assert routes_as_list(TABLE)[0] == {
        "route": "initial_sync",
        "source": "routes.yaml:12",
        "pattern": "^/_matrix/client/(r0|v3)/sync$",
        "form": "raw",
        "methods": ["GET"],
        "query": {"since": "absent"},
        "upstream": "generic-worker",
        "refusal": None,
        "response": None,
        "redirect": None,
        "first_byte": None,
        "max_body": None,
        "upgrade": [],
    }


def test_a_refusal_says_what_it_answers() -> None:
    refused = routes_as_list(TABLE)[3]
    assert refused["upstream"] is None
    assert refused["refusal"] == {"status": 410, "errcode": "M_GONE", "error": "<gone>"}
