from __future__ import annotations

from router.local.asking import features
from tests.local.asking.registrations import synapse_config


def test_the_streams_are_those_that_synapse_takes_as_stream_writers() -> None:
    """A writer of a stream that Synapse has, but that isn't found, would not be asked at all."""
    told = synapse_config(
        "from synapse.config.workers import WriterLocations as W; import attr, json;"
        "print(json.dumps([field.name for field in attr.fields(W)]))"
    )

    assert list(features.streams()) == told


def test_the_experiments_are_those_that_synapse_asks_its_configuration_for() -> None:
    """Asks Synapse's own reader with a configuration that notes what it is asked for."""
    told = synapse_config(
        "import json; from synapse.config.experimental import ExperimentalConfig as E\n"
        "asked = {}\n"
        "class Noting(dict):\n"
        "    def get(self, key, default=None):\n"
        "        asked[key] = default\n"
        "        return default\n"
        "root = type('Root', (), {})()\n"
        "E(root).read_config({'experimental_features': Noting({'x': 1})}, allow_secrets_in_config=True)\n"
        "print(json.dumps(sorted(key for key, default in asked.items() if default is False)))"
    )

    assert set(told) - set(features.experiments()) == features.UNUSABLE
    assert set(features.experiments()) <= set(told)
