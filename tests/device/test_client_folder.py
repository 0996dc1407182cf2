"""The folder of the client process, as who begins to lead finds it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.tables import for_each
from whatsapp_mcp.archive.database.database_files import quarantine
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.device.leader import LeaderLock
from whatsapp_mcp.settings import AccountFolder


def lead(folder: AccountFolder) -> None:
    lock = LeaderLock(folder)
    assert lock.acquire()
    lock.release()


def folder_at(path: Path) -> None:
    path.mkdir()
    (path / "within").touch()
    path.chmod(0)


def link_at(path: Path) -> None:
    path.symlink_to("archive.db")


@for_each("plant", [folder_at, os.mkfifo, link_at])
@for_each(
    "name", ["client.db", "inbox.db", "inbox.db-wal", "client.db-shm", "inbox.db.damaged"], folder="folders"
)
def test_what_is_no_file_in_the_place_of_one_keeps_nobody_from_leading(
    folder: AccountFolder, name: str, plant: Callable[[Path], None]
) -> None:
    folder.client.mkdir(exist_ok=True)
    plant(folder.client / name)
    lead(folder)
    assert not os.path.lexists(folder.client / name)
    with Journal(folder.inbox_db) as journal:
        journal.append(1, 17, b"later")
        quarantine(folder.inbox_db, "tried")
    with Journal(folder.inbox_db) as journal:
        assert journal.read(0, 100) == []
