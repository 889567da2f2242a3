"""Plugins and settings of the whole suite."""

from hypothesis import settings

pytest_plugins = ("tests.deployment", "tests.tally", "tests.evidence")

# Machines are shared and slow at times: how long one example takes says nothing about the code.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
