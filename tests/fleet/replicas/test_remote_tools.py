"""Every tool does its work through a replica that has no file of the account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from mcp import Client

from tests.fleet.replicas.rig import led
from tests.server.everything import GOOD, Everything, everything
from tests.server.fakes import FakeSource, text_of
from tests.server.linked import LIMIT
from whatsapp_mcp.server.application import create

pytestmark = pytest.mark.anyio

AFTERWARDS = ("reconnect", "unlink_device")
"""What ends the connection that the others need."""
ORDER = [*sorted(GOOD.keys() - {*AFTERWARDS}), *AFTERWARDS]


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Everything]:
    async with everything(tmp_path_factory.mktemp("replica")) as made:
        yield made


@pytest.mark.parametrize("tool", ORDER)
async def test_a_tool_does_its_work_through_a_replica(world: Everything, tool: str) -> None:
    linked = world.linked
    device: Any = linked.device
    source = FakeSource(device, linked.archive, linked.home, worker=linked.worker, roots=(linked.shared,))
    with anyio.fail_after(LIMIT):
        async with led(source) as accounts, Client(create(accounts, "all", structured=True)) as client:
            result = await client.call_tool(tool, world.good(tool))
    assert not result.is_error, text_of(result.content)
