"""A server of two accounts whose devices are stand-ins: `private` as the other tests have it, and `work`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from mcp import Client

from tests.server.conftest import ANN_LEE, ME, incoming
from tests.server.fakes import CODE, NOON, FakeDevice, FakeSource
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.models import ContactUpdate
from whatsapp_mcp.server.application import Application, create
from whatsapp_mcp.server.calls import Accounts
from whatsapp_mcp.settings import Settings

PRIVATE, WORK = "private", "work"
CARLA = "15550005555@s.whatsapp.net"
WORDS = (
    (CARLA, "The invoice is late"),
    (ANN_LEE, "Boss, are you coming?"),
    *((CARLA, f"Reminder {number}") for number in range(1, 8)),
)


@dataclass
class TwoAccounts:
    """The sources of both, and their server."""

    private: FakeSource
    work: FakeSource
    archives: dict[str, Archive]

    @property
    def accounts(self) -> Accounts:
        """Both."""
        return Accounts.of(self.work, self.private)

    def application(self, selection: str = "all", **options: Any) -> Application:
        """A server of both."""
        return create(self.accounts, selection, structured=True, new_code=lambda: CODE, **options)

    @asynccontextmanager
    async def client(self, selection: str = "all", **options: Any) -> AsyncIterator[Client]:
        """An MCP client of a server of both."""
        async with Client(self.application(selection), **options) as connected:
            yield connected


@asynccontextmanager
async def two_accounts(home: Path, private: FakeSource, archive: Archive) -> AsyncIterator[TwoAccounts]:
    """Put a second account beside that of the other tests.

    Args:
        home: An empty folder for the second account.
        private: The first.
        archive: Its archive.
    """
    private.account = PRIVATE
    folder = Settings(home=home).account_folder()
    folder.create()
    async with open_archive(folder, write=True) as opened:
        await opened.write(recording.set_own, ME, None, "Me")
        await opened.write(recording.record_contacts, [ContactUpdate(CARLA, saved_name="Carla")])
        start = NOON - timedelta(days=1)
        await opened.ingest(
            [
                incoming(seq, chat, chat, text, start + timedelta(hours=seq), name="Someone")
                for seq, (chat, text) in enumerate(WORDS, 1)
            ]
        )
        work = FakeSource(FakeDevice(), opened, home, account=WORK)
        yield TwoAccounts(private, work, {PRIVATE: archive, WORK: opened})
