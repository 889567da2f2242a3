from __future__ import annotations

import pytest

from router.admin.access import is_local_name


@pytest.mark.parametrize(
    "authority",
    [
        "localhost",
        "localhost:8081",
        "LOCALHOST.",
        "127.0.0.1",
        "127.0.0.1:8081",
        "127.8.8.8:1",
        "[::1]",
        "[::1]:8081",
        "[::ffff:127.0.0.1]:8081",
    ],
)
def test_names_of_this_machine(authority: str) -> None:
    assert is_local_name(authority)


@pytest.mark.parametrize(
    "authority",
    [
        "",
        "evil.example",
        "evil.example:8081",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example#localhost",
        "notlocalhost",
        "10.0.0.1:8081",
        "0.0.0.0",
        "[::]:8081",
        "[::1",
        "::1",
        "127.1",
        "0x7f000001",
        "localhost:8081:1",
    ],
)
def test_names_that_somebody_else_could_have(authority: str) -> None:
    assert not is_local_name(authority)
