"""What is counted of an account outlives its leaders."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.device.fake_clock import FakeClock
from tests.tables import for_each
from whatsapp_mcp.archive import open_archive, recording
from whatsapp_mcp.device.counters import Counters
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio


async def test_the_next_host_goes_on_counting(folder: AccountFolder) -> None:
    async with open_archive(folder, write=True) as archive:
        first = Counters(archive, FakeClock())
        await first.load()
        first.events_lost += 101
        first.failures["ingest"] += 2
        first.phone_seen_at = datetime(2026, 11, 25, tzinfo=UTC)
        await first.keep()
    async with open_archive(folder, write=True) as archive:
        second = Counters(archive, FakeClock())
        await second.load()
        assert (second.events_lost, second.phone_seen_at) == (101, first.phone_seen_at)
        second.failures["ingest"] += 1
        assert second.failures == {"ingest": 3}


@for_each("kept", ["", "[]", "{}", '{"events_lost": "many"}'], folder="folders")
async def test_counts_that_cannot_be_read_start_from_zero(folder: AccountFolder, kept: str) -> None:
    async with open_archive(folder, write=True) as archive:
        await archive.write(recording.meta_set, "counters", kept)
        counters = Counters(archive, FakeClock())
        await counters.load()
        assert (counters.events_lost, counters.phone_seen_at, dict(counters.failures)) == (0, None, {})
