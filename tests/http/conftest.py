"""Cases of the wire, in a uvloop."""

from tests.dialogues import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
