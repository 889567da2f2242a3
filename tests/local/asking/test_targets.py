from __future__ import annotations

import re

import pytest

from router.local.asking.targets import foremost, targets
from router.synapse.catalogue import shipped


def fill(name: str) -> str:
    return f"[{name}]"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("^/_matrix/client/versions$", ["/_matrix/client/versions"]),
        ("/x/y$", ["/x/y"]),
        (r"^/im\.nheko.summary$", ["/im.nheko.summary"]),
        ("^/(api/v1|r0|v3)/sync$", ["/api/v1/sync", "/r0/sync", "/v3/sync"]),
        ("^/rooms/(?P<room_id>[^/]*)$", ["/rooms/[room_id]"]),
        ("^/r/(?P<action>join|invite)/(?P<txn_id>[^/]*)$", ["/r/join/[txn_id]", "/r/invite/[txn_id]"]),
        ("^/p/(?P<field_name>displayname)$", ["/p/displayname"]),
        ("^/(r0|v3)/(?P<path>pushrules/.*)$", ["/r0/pushrules/[path]", "/v3/pushrules/[path]"]),
        ("^/send/(?P<id>[^/]*)/?$", ["/send/[id]", "/send/[id]/"]),
        ("^/k(/(?P<a>[^/]+))?(/(?P<b>[^/]+))?$", ["/k", "/k/[b]", "/k/[a]", "/k/[a]/[b]"]),
        (r"^/auth/(?P<stage>[\w\.]*)/web$", ["/auth/[stage]/web"]),
        ("^/static/(?P<file>.*)$", ["/static/[file]"]),
    ],
)
def test_each_alternative_and_option_is_taken_once(pattern: str, expected: list[str]) -> None:
    assert list(targets(pattern, fill)) == expected


def test_a_pattern_of_another_kind_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="ASSERT in a pattern of Synapse's"):
        targets("^/(?=x)y$", fill)


@pytest.mark.parametrize("pattern", sorted({endpoint.pattern for endpoint in shipped().endpoints}))
def test_what_comes_out_matches_the_pattern_that_it_was_made_of(pattern: str) -> None:
    found = targets(pattern, lambda _: "x")

    assert found
    assert all(re.match(pattern, target) for target in found)


def test_the_newest_stable_version_with_every_option_is_foremost() -> None:
    assert foremost(["/api/v1/sync", "/r0/sync", "/v3/sync", "/unstable/org.example/sync"]) == "/v3/sync"
    assert foremost(["/v1/x", "/v1/x/y", "/unstable/x/y/z"]) == "/v1/x/y"
    assert foremost(["/a", "/a/b"]) == "/a/b"
