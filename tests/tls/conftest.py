"""The loop that serves is the loop that is tested."""

from tests.dialogues import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
