"""The dialogue of tests/end_to_end over TLS, every worker on a unix socket; Synapse says who served it."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.local.deployment import Deployment
from tests.end_to_end.admin import admin_token
from tests.end_to_end.cast import Cast
from tests.end_to_end.dialogue import STEPS, judge, take
from tests.evidence import Evidence
from tests.federation.authority import Authority

pytestmark = pytest.mark.xdist_group("federation")


@pytest.fixture
def admins_token(deployment: Deployment) -> str:
    """Made before the evidence is collected: the table sends nobody to the admin API."""
    return admin_token(deployment.layout)


@pytest.mark.timeout(300)
async def test_a_dialogue_over_tls_with_workers_on_unix_sockets(
    deployment: Deployment, authority: Authority, admins_token: str, evidence: Evidence, tmp_path: Path
) -> None:
    layout = deployment.layout
    assert not any(instance.client_port for instance in layout.instances)
    async with Cast(layout, evidence.table, tmp_path, ca=authority.context) as cast:
        cast.admin_token = admins_token
        await take(cast, STEPS)
        judge(evidence.chapter(f"matrix-nio over TLS, workers on unix sockets: {len(STEPS)} steps"), cast)
