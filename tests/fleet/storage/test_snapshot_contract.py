"""Snapshots in PostgreSQL and in object stores do what all of them do."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fleet.led import LedAccount
from tests.fleet.object_stores import KINDS, store_of
from tests.storage.test_snapshot_contract import *  # noqa: F403  the tests of every place for snapshots
from whatsapp_mcp.storage import SnapshotStore


@pytest.fixture(params=["database", *KINDS])
async def snapshots(
    request: pytest.FixtureRequest, database: str, tmp_path: Path
) -> AsyncIterator[SnapshotStore]:
    with LedAccount(database, store_of(request.param, tmp_path)) as led:
        async with led.snapshots() as opened:
            yield opened
