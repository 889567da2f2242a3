"""What the documentation shows is executed: examples load, output is as shown, links lead somewhere."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from pathlib import Path

import pytest

from router.cli.main import main
from router.config.loader import KEYS, load_bytes
from router.local.credentials import Credentials
from router.local.deployment import Deployment
from router.local.layout import Layout
from router.local.synapse import write_config
from router.settings import HSTS, Guard, Health, Limits, Resolver, Settings, Timeouts
from tests.authority import Authority

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]
)
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
BENCHMARKS = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[tuple[str, str]]:
    fence = re.compile(rf"^( *)```{language}\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
    found = []
    for page in PAGES:
        for indent, block in fence.findall(page.read_text(encoding="utf-8")):
            found.append((page.name, "\n".join(line.removeprefix(indent) for line in block.splitlines())))
    return found


@pytest.fixture(scope="session")
def etc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the reference deployment, for /etc/matrix-synapse in an example."""
    layout = Layout.standard(tmp_path_factory.mktemp("etc"))
    layout.config.mkdir()
    layout.data.mkdir()
    write_config(layout, Credentials.kept_in(layout.data / "credentials.json"))
    return layout.config


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key, for /etc/router/tls in an example."""
    authority = Authority(tmp_path_factory.mktemp("tls"))
    assert authority.file.name == "ca.pem"
    authority.issue("matrix.example.org", chain="fullchain.pem", key="privkey.pem")
    return authority.folder


@pytest.mark.parametrize(("page", "block"), _blocks("yaml"))
def test_every_example_of_a_file_loads(page: str, block: str, etc: Path, certificates: Path) -> None:
    text = block.replace("/etc/matrix-synapse", str(etc)).replace("/etc/router/tls", str(certificates))
    loaded = load_bytes(text.encode(), file=page)
    assert loaded.config is not None, loaded.findings
    assert (loaded.deployment is not None) == (
        "synapse: {homeserver" in block or "synapse:\n  homes" in block
    )


def test_there_are_examples() -> None:
    assert len(_blocks("yaml")) >= 3


def test_explain_prints_what_the_readme_shows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    shown = next(block for _, block in _blocks("console") if "router explain" in block)
    command, _, output = shown.partition("\n")
    words = shlex.split(command.removeprefix("$ "))
    assert words[1:3] == ["-m", "router"]
    assert main(words[3:]) == 0
    assert capsys.readouterr().out.strip() == output.strip()


def test_make_run_takes_the_steps_that_the_readme_shows(tmp_path: Path) -> None:
    shown = re.findall(r"^\[\d/\d\] (.+?) {2,}", README, re.MULTILINE)
    deployment = Deployment(Layout.standard(tmp_path), routes=ROOT / "routes.yaml")
    titles = [step.title for step in deployment.steps()]
    assert shown[:-1] == titles
    assert shown[-1].startswith("proof")


@pytest.mark.parametrize(
    ("told", "recorded"),
    [
        ("an aiohttp handler with a client session", "aiohttp handler proxy | small JSON"),
        ("Caddy", "Caddy | small JSON"),
        ("nginx as the reference deployment ships it", "nginx as the reference ships it | small JSON"),
        ("nginx tuned: HTTP/1.1", "nginx tuned | small JSON"),
        ("HAProxy", "HAProxy | small JSON"),
        ("nginx tuned, 1 MiB of media down", "nginx tuned | media down, 1 MiB, per byte"),
        ("nginx tuned, 1 MiB of media up", "nginx tuned | media up, 1 MiB, per byte"),
    ],
)
def test_the_readme_gives_the_figures_of_the_recorded_benchmark(told: str, recorded: str) -> None:
    table = (ROOT / "benchmarks" / "results" / "bench.md").read_text(encoding="utf-8")
    (ratio,) = re.findall(rf"^\| {re.escape(recorded)} \| \*\*(.+?)\*\*", table, re.MULTILINE)
    (line,) = (line for line in README.splitlines() if line.startswith(f"| {told}"))
    assert f"| {ratio} of it |" in line


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("latency.md", r"(\S+) ms at the 99th percentile, where nginx added (\S+) ms and the relay (\S+) ms"),
        ("latency-8000.md", r"the\s+router added (\S+) ms and nginx (\S+) ms"),
    ],
)
def test_the_added_latency_told_is_that_on_record(page: str, told: str) -> None:
    table = (ROOT / "benchmarks" / "results" / page).read_text(encoding="utf-8")
    added = re.findall(r"^\| added through .+?(?:\*\*(\S+?)\*\*.+?){3}\*\*", table, re.MULTILINE)
    assert re.findall(told, BENCHMARKS) == [tuple(added)]


def test_what_another_build_of_python_costs_is_on_record() -> None:
    file = ROOT / "benchmarks" / "results" / "instructions.json"
    counted = {
        record["build"]["python"]: record["per_request"]["all kinds in turn"]
        for record in json.loads(file.read_text(encoding="utf-8"))
        if record["build"]["modules"] == "compiled"
    }
    more = f"{counted['cpython 3.11.7'] / counted['cpython 3.11.2'] - 1:.0%}".replace("%", " %")
    assert f"runs {more} more instructions" in README
    assert f"runs {more} more" in BENCHMARKS


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_the_file_is_described(key: str) -> None:
    assert f"`{key}`" in CONFIGURATION


@pytest.mark.parametrize(
    ("section", "name", "default"),
    [
        (kind.__name__, field.name, field.default)
        for kind in (Limits, Timeouts, Health, Resolver)
        for field in dataclasses.fields(kind)
    ],
)
def test_every_setting_is_described_with_its_default(section: str, name: str, default: object) -> None:
    table = CONFIGURATION.split(f"## {section.lower()}\n")[1].split("\n## ")[0]
    row = next(line for line in table.splitlines() if line.startswith(f"| `{name}` |"))
    written = row.split("|")[2].strip()
    assert written == (
        "none" if default in (None, ()) else f"{default:g}s" if isinstance(default, float) else str(default)
    )


def test_the_top_level_defaults_are_those_of_the_program() -> None:
    settings, guard = Settings(), Guard()
    assert f"| `listen` | `{settings.listen[0]}` |" in CONFIGURATION
    assert f"| `admin` | `{settings.admin[0]}` |" in CONFIGURATION
    assert f"| `drain_timeout` | `{settings.drain_timeout:g}s` |" in CONFIGURATION
    assert f"| `hsts` | `{HSTS // 86400}d` |" in CONFIGURATION
    low, high = guard.replication_ports[0]
    assert f"| `replication` | `[{low}-{high}]` |" in CONFIGURATION


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
