"""An account's archive as a server has left it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tests.archive import events as ev
from tests.archive.events import journal
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.settings import AccountFolder


async def account_with_messages(folder: AccountFolder, times: Sequence[datetime]) -> None:
    """Archive a message of each time."""
    folder.create()
    events = [ev.message(f"A{number}", at=int(at.timestamp())) for number, at in enumerate(times)]
    async with open_archive(folder, write=True, now=lambda: max(times)) as archive:
        assert (await archive.ingest(journal(events))).undecoded == 0
