"""Dialogues by raw bytes, in a uvloop."""

from tests.dialogues import proxy, pytest_asyncio_loop_factories, serve, worker, workers

__all__ = ["proxy", "pytest_asyncio_loop_factories", "serve", "worker", "workers"]
