"""One archive, open in several processes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.archive import events as ev
from tests.archive.events import NOW
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

_LOOK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(db.execute("SELECT count(*) FROM messages").fetchone()[0])
db.close()
"""


def seen_by_another_process(folder: AccountFolder) -> int:
    """How many messages a process sees that opens the archive and closes it again."""
    look = [sys.executable, "-c", _LOOK, str(folder.archive_db)]
    return int(subprocess.run(look, check=True, capture_output=True, timeout=60).stdout)


async def test_what_a_server_writes_that_read_before_is_seen_by_others_whoever_leaves(
    folder: AccountFolder,
) -> None:
    async with open_archive(folder, write=True, now=lambda: NOW):
        pass
    async with open_archive(folder) as reading:
        await reading.chats()
        async with open_archive(folder, write=True, now=lambda: NOW) as writing:
            for number in range(3):
                await writing.ingest(ev.journal([ev.message(f"A{number}")], after=number))
                assert seen_by_another_process(folder) == number + 1
    assert seen_by_another_process(folder) == 3
