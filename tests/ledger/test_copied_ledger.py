"""The copy of a ledger that another machine writes is read; what would have to be written is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.ledger.statement_logs import MemoryStatements
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.ledger import Exposure, follow_ledger, open_ledger
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import LedgerStorage, PrivateFile

pytestmark = pytest.mark.anyio
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
AGENT = "token:agent"


async def test_a_copy_knows_what_was_handed_out_and_hands_nothing_out_that_counts(tmp_path: Path) -> None:
    log, now = MemoryStatements(), START
    leader, copy = AccountFolder("work", tmp_path / "leader"), AccountFolder("work", tmp_path / "copy")
    for folder in (leader, copy):
        folder.path.mkdir()
    storage = LedgerStorage(log.led_by(1), PrivateFile(tmp_path / "key"))
    async with open_ledger(leader, lambda: now, storage) as ledger:
        await ledger.expose(AGENT, Exposure.STRANGER)
    follow_ledger(copy, log.led_by(2))
    async with open_ledger(copy, lambda: now) as ledger:
        now += timedelta(hours=1)
        assert ledger.is_copy
        assert (await ledger.taint(AGENT)).sources == {Exposure.STRANGER}
        with pytest.raises(Busy):
            await ledger.expose("token:other", Exposure.STRANGER)
        assert not (await ledger.taint("token:other")).sources


async def test_a_ledger_of_a_folder_alone_is_no_copy(tmp_path: Path) -> None:
    folder = AccountFolder("work", tmp_path / "own")
    folder.path.mkdir()
    async with open_ledger(folder) as ledger:
        assert not ledger.is_copy
