"""Archives that no node has: they follow the logs, and are made again at random moments."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import anyio.to_thread

from whatsapp_fleet.database import Database, Reader
from whatsapp_fleet.node import Following, following
from whatsapp_mcp.settings import AccountFolder

LIMIT = 120


def folder_of(home: Path, account: str) -> AccountFolder:
    """The files of an account in a home folder."""
    return AccountFolder(account, home / "accounts" / account)


class Copies:
    """The archives of one home folder.

    Attributes:
        rebuilt: How often one was deleted and made again.
    """

    def __init__(self, copies: Following, home: Path, accounts: Sequence[str], chance: random.Random) -> None:
        self.rebuilt = 0
        self._copies = copies
        self._home = home
        self._accounts = accounts
        self._chance = chance

    def folder(self, account: str) -> AccountFolder:
        """Where one is."""
        return folder_of(self._home, account)

    async def rebuild(self, account: str) -> None:
        """Delete one and begin it again."""
        await self._copies.end(account)
        await anyio.to_thread.run_sync(shutil.rmtree, self.folder(account).path, True)
        self._copies.begin(account)
        self.rebuilt += 1

    async def rebuild_now_and_then(self, seconds: float) -> None:
        """Rebuild a random one each time, until cancelled."""
        while True:
            await anyio.sleep(seconds * 2 * self._chance.random())
            await self.rebuild(self._chance.choice(self._accounts))

    def position(self, account: str) -> int:
        """The last row of the journal that is in one; -1 while it is being made."""
        try:
            with closing(sqlite3.connect(f"file:{self.folder(account).archive_db}?mode=ro", uri=True)) as db:
                row = db.execute("SELECT value FROM meta WHERE key = 'position'").fetchone()
        except sqlite3.OperationalError:
            return -1
        return int(row[0]) if row else 0

    async def end(self) -> None:
        """Close all, once each has what the logs have now."""
        reached = time.monotonic()
        with anyio.fail_after(LIMIT):
            for account in self._accounts:
                self._copies.begin(account)
                while (self._copies.as_of(account) or 0.0) < reached:  # noqa: ASYNC110  it tells of nothing
                    await anyio.sleep(0.1)
                await self._copies.end(account)


@asynccontextmanager
async def archives(
    database: Database, home: Path, accounts: Sequence[str], seed: int = 1
) -> AsyncGenerator[Copies]:
    """Follow these accounts until the end of the block."""
    with Reader(database) as reader:
        async with following(reader, lambda account: folder_of(home, account)) as copies:
            for account in accounts:
                copies.begin(account)
            yield Copies(copies, home, accounts, random.Random(seed))
