from __future__ import annotations

import re
from pathlib import Path

from router.config import codes
from router.config.codes import CODES
from router.errors import ConfigError, ReplicationExposed, UnknownKey, UnknownUpstream

SOURCES = Path(codes.__file__).parent


def test_codes_are_a_letter_and_three_digits() -> None:
    for name, code in CODES.items():
        assert name == code.code
        assert re.fullmatch("[SRWHN][0-9]{3}", name)
        assert code.title
        assert code.why
        assert issubclass(code.error, ConfigError)


def test_the_letter_goes_with_the_hundred() -> None:
    assert {(name[0], name[1]) for name in CODES} == {
        ("S", "0"),
        ("R", "1"),
        ("W", "2"),
        ("H", "3"),
        ("N", "4"),
    }


def test_every_code_is_used_and_every_used_one_is_known() -> None:
    used: set[str] = set()
    for path in (*SOURCES.glob("*.py"), *(SOURCES.parent / "nginx").glob("*.py")):
        if path.name != "codes.py":
            used |= set(re.findall(r'"([SRWHN]\d{3})"', path.read_text(encoding="utf-8")))
    assert used == set(CODES)


def test_the_errors_of_serve() -> None:
    assert CODES["S008"].error is UnknownKey
    assert CODES["R102"].error is UnknownUpstream
    assert CODES["H301"].error is ReplicationExposed
