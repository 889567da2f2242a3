from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from router.local import synapse
from router.local.asking import profiles
from router.local.asking.features import experiments, streams
from router.local.asking.profiles import Profile
from router.local.credentials import Credentials
from router.local.layout import REFERENCE

PROFILES = [profiles.reference(), profiles.split(), profiles.split(experimental=False), profiles.mas()]


def written(profile: Profile, folder: Path) -> dict[str, dict[str, object]]:
    layout = profile.layout(folder)
    for needed in (layout.config, layout.data):
        needed.mkdir()
    synapse.write_config(layout, Credentials.kept_in(layout.data / "credentials.json"))
    merged: dict[str, dict[str, object]] = {}
    for instance in layout.instances:
        merged[instance.name] = {}
        for file in synapse.config_files(layout, instance):
            merged[instance.name] |= yaml.safe_load(file.read_text(encoding="utf-8"))
    return merged


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_whoever_is_asked_listens_for_clients_and_is_in_the_layout(profile: Profile, tmp_path: Path) -> None:
    layout = profile.layout(tmp_path)

    assert all(layout[name].client_port for name in (*profile.asked, profile.media))
    assert set(profile.writers.values()) <= set(profile.asked)
    assert len(set(profile.writers.values())) == len(profile.writers), "one stream for one writer"


def test_the_reference_is_the_shipped_deployment_but_for_one_listener() -> None:
    before = [replace(i, client_port=None, resources=()) for i in profiles.reference().instances]
    after = [replace(i, client_port=None) for i in REFERENCE]

    assert before == after
    assert profiles.reference().settings == {}


def test_every_stream_has_a_writer_that_the_others_can_reach(tmp_path: Path) -> None:
    config = written(profiles.split(), tmp_path)
    writers, addresses = config["main"]["stream_writers"], config["main"]["instance_map"]
    assert isinstance(writers, dict)
    assert isinstance(addresses, dict)

    assert tuple(writers) == streams()
    assert {name for names in writers.values() for name in names} < addresses.keys()
    assert all(config[name]["stream_writers"] == writers for name in config)


def test_media_is_on_one_process_alone(tmp_path: Path) -> None:
    config = written(profiles.split(), tmp_path)

    assert [name for name in config if config[name]["enable_media_repo"]] == [profiles.MEDIA]
    assert config["main"]["media_instance_running_background_jobs"] == profiles.MEDIA


def test_experiments_are_on_or_off_together(tmp_path: Path) -> None:
    (tmp_path / "on").mkdir()
    (tmp_path / "off").mkdir()

    on = written(profiles.split(), tmp_path / "on")["main"]["experimental_features"]
    off = written(profiles.split(experimental=False), tmp_path / "off")["main"]["experimental_features"]

    assert on == dict.fromkeys(experiments(), True)
    assert off == {}
