"""A dialogue of four users on seven devices, all of them matrix-nio; Synapse says who served it."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.local.deployment import Deployment
from tests.end_to_end.admin import admin_token
from tests.end_to_end.cast import Cast
from tests.end_to_end.dialogue import STEPS, judge, take
from tests.evidence import Evidence


@pytest.fixture
def admins_token(deployment: Deployment) -> str:
    """Made before the evidence is collected: the table sends nobody to the admin API."""
    return admin_token(deployment.layout)


@pytest.mark.timeout(300)
async def test_a_dialogue_and_who_served_it(
    deployment: Deployment, admins_token: str, evidence: Evidence, tmp_path: Path
) -> None:
    async with Cast(deployment.layout, evidence.table, tmp_path) as cast:
        cast.admin_token = admins_token
        await take(cast, STEPS)
        chapter = evidence.chapter(f"matrix-nio: {len(STEPS)} steps of 4 users on 7 devices")
        judge(chapter, cast)
