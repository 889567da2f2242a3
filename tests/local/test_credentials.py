from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from router.local.credentials import Credentials


def test_they_are_drawn_once_and_kept(tmp_path: Path) -> None:
    first = Credentials.kept_in(tmp_path / "credentials.json")

    assert Credentials.kept_in(tmp_path / "credentials.json") == first
    assert Credentials.kept_in(tmp_path / "others.json") != first


def test_each_is_a_secret_of_its_own(tmp_path: Path) -> None:
    texts = list(asdict(Credentials.kept_in(tmp_path / "credentials.json")).values())

    assert len(set(texts)) == len(texts) == 7
    assert all(len(text) == 64 and text.isalnum() for text in texts)


def test_nobody_else_can_read_the_file(tmp_path: Path) -> None:
    Credentials.kept_in(tmp_path / "credentials.json")

    assert (tmp_path / "credentials.json").stat().st_mode & 0o077 == 0
