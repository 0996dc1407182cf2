"""Days begin where the person lives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from mcp import Client

from tests.server.fakes import FakeSource
from tests.server.test_core_tools import answer
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls.call import Services

pytestmark = pytest.mark.anyio
FAR_WEST = timezone(timedelta(hours=-12))


class SourceInTheWest(FakeSource):
    """The services of somebody whose day begins at noon UTC."""

    async def services(self) -> Services:
        return replace(await super().services(), zone=FAR_WEST)


@pytest.fixture
async def western(source: FakeSource) -> AsyncIterator[Client]:
    async with Client(
        create(SourceInTheWest(source.device, source.archive, source.home), "all", structured=True)
    ) as client:
        yield client


@pytest.mark.parametrize("query", ["before:2026-11-24", "after:2026-11-23 before:2026-11-24"])
async def test_the_days_of_a_query_are_the_persons(client: Client, western: Client, query: str) -> None:
    in_utc = (await answer(client, "search_messages", query=query))[1]["messages"]
    in_the_west = (await answer(western, "search_messages", query=query))[1]["messages"]

    assert [message["message_id"] for message in in_utc] == ["M1"]
    assert [message["message_id"] for message in in_the_west] == ["M3", "M2", "M1"]
