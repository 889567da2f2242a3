from __future__ import annotations

from pathlib import Path

import pytest

from router.cli import serve
from router.cli.main import main
from router.settings import Config, Listener
from router.table import TcpAddress, UnixAddress
from tests.config.files import CLEAN


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The configs that would be served; nothing listens."""
    configs: list[Config] = []

    def record(config: Config) -> int:
        configs.append(config)
        return 0

    monkeypatch.chdir(tmp_path)
    (tmp_path / "routes.yaml").write_text(CLEAN, encoding="utf-8")
    monkeypatch.setattr(serve, "serve_config", record)
    return configs


def test_addresses_of_the_command_line_win(served: list[Config]) -> None:
    assert main(["serve", "--listen", "127.0.0.1:0", "--listen", "unix:/run/x", "--admin", "[::1]:0"]) == 0
    (config,) = served
    assert [listener.address for listener in config.settings.listen] == [
        TcpAddress(host="127.0.0.1", port=0),
        UnixAddress(path="/run/x"),
    ]
    assert config.settings.admin == (TcpAddress(host="::1", port=0),)


def test_without_any_the_files_hold(served: list[Config]) -> None:
    assert main(["serve", "--processes", "1"]) == 0
    assert served[0].settings.listen == (Listener(address=TcpAddress(host="127.0.0.1", port=8080)),)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--processes", "2"], "no supervisor yet"),
        (["--processes", "0"], "no supervisor yet"),
        (["--admin", "0.0.0.0:8081"], "public: true"),
        (["--listen", "127.0.0.1:8008"], "where the router itself listens"),
        (["-c", "none.yaml"], "No such file"),
    ],
)
def test_what_is_not_served_is_said(
    served: list[Config], arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == 2
    assert served == []
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_public_admin_listener_may_be_moved_by_the_command_line(
    served: list[Config], tmp_path: Path
) -> None:
    (tmp_path / "routes.yaml").write_text(
        CLEAN + "admin: {listen: 0.0.0.0:8081, public: true}\n", encoding="utf-8"
    )
    assert main(["serve", "--admin", "0.0.0.0:9"]) == 0
    assert served[0].settings.admin == (TcpAddress(host="0.0.0.0", port=9),)


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("arguments", [["--listen", "8080"], ["--admin", "x"], ["--processes", "many"]])
def test_what_is_no_address_is_a_bad_command_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", *arguments])
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err
