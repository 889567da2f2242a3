"""The cases on this router: a proxy in the loop that asks, with a clock that only the case moves."""

from __future__ import annotations

import yaml

from router.config.actions import ACTIONS
from router.config.loader import load_bytes
from router.settings import Config
from tests.http.cases import Case, CaseError
from tests.http.stage import Outcome, Stage
from tests.wire import Proxy, settle


def config_of(case: Case, port: int) -> Config:
    """The file of a case: one upstream of one endpoint and one route, with what the case says beside them."""
    upstream = {"endpoints": [f"127.0.0.1:{port}"], **case.upstream}
    goes = {} if case.route.keys() & set(ACTIONS) else {"upstream": "main"}
    route = {"path": "^/", **goes, **case.route}
    file = {"upstreams": {"main": upstream}, "routes": [route], **case.settings}
    loaded = load_bytes(yaml.safe_dump(file).encode(), file=case.id)
    if loaded.config is None:
        raise CaseError(f"{case.id}: {loaded.findings}")
    return loaded.config


async def by_ours(case: Case) -> Outcome:
    """Plays one case; fails where an exchange doesn't end, or anything is left open."""
    proxy: Proxy

    async def let_pass(seconds: float) -> None:
        await proxy.pass_time(seconds)

    stage = Stage(case, settle, let_pass)
    config = config_of(case, stage.port)
    proxy = Proxy(config.table, config.settings, listener=config.settings.listen[0])
    try:
        await proxy.listen()
        assert isinstance(proxy.address, tuple)
        outcome = await stage.play(proxy.address)
    finally:
        await stage.stop()
        await proxy.stop()
    return outcome
