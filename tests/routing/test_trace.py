from __future__ import annotations

import pytest

from router.routing.trace import Verdict, trace
from router.table import PathForm
from tests.routing.tables import head, route, table

ROUTES = table(
    [
        route("^/_synapse/", name="synapse"),
        route("/sync$", name="initial_sync", absent="since"),
        route("/sync$", name="sync_writes", methods=["PUT", "POST"]),
        route("/sync$", name="sync", present="since"),
        route("^/_matrix/client", name="client", form=PathForm.NORMALISED),
        route("^/nowhere", name="nowhere"),
    ]
).routes


def walked(target: str, method: str = "GET") -> dict[str, tuple[Verdict, str]]:
    return {step.route.name: (step.verdict, step.detail) for step in trace(ROUTES, head(target, method))}


def test_every_route_says_what_became_of_it() -> None:
    steps = walked("/_matrix/client/v3/sync?since=s1")
    assert steps == {
        "synapse": (Verdict.PATH, "path: needs ^/_synapse/"),
        "initial_sync": (Verdict.QUERY, "path matches; passed over: `since` is present"),
        "sync_writes": (Verdict.METHOD, "path matches; passed over: GET is not among POST, PUT"),
        "sync": (Verdict.TAKEN, "matched /sync$"),
        "client": (Verdict.LATER, "would match too, comes later"),
        "nowhere": (Verdict.PATH, "path: needs ^/nowhere"),
    }


@pytest.mark.parametrize(
    ("target", "method", "taken"),
    [
        ("/_matrix/client/v3/sync", "GET", "initial_sync"),
        ("/_matrix/client/v3/sync?since=1", "PUT", "sync_writes"),
        ("/_matrix/client/v3/rooms", "GET", "client"),
        ("/%5Fmatrix/client", "GET", "client"),
        ("/", "GET", "unmatched"),
    ],
)
def test_one_route_is_taken(target: str, method: str, taken: str) -> None:
    steps = walked(target, method)
    assert [name for name, (verdict, _) in steps.items() if verdict is Verdict.TAKEN] == [taken]


def test_an_absent_parameter_is_named() -> None:
    asked = trace(table([route("^/", present="a b")]).routes, head("/?a=1"))
    assert asked[0].detail == "path matches; passed over: `a b` is absent"
    assert asked[1].detail == "no route takes it"


def test_the_form_of_the_path_is_said() -> None:
    assert walked("/x")["client"][1] == "path: needs ^/_matrix/client in the normalised path"
