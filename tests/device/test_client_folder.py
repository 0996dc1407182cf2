"""The folder of the client process, as who begins to lead finds it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from whatsapp_mcp.archive.database.damage import quarantine
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.device.leader import LeaderLock, client_folder
from whatsapp_mcp.encryption import DatabaseKey
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import JournalRow

KEY = DatabaseKey(b"k" * 32)


class Killed(Exception):
    """The process ends here."""


def lead(folder: AccountFolder) -> None:
    lock = LeaderLock(folder)
    assert lock.acquire()
    lock.release()


def leave(place: Path, *payloads: bytes, key: DatabaseKey | None = None) -> None:
    """A journal whose newest events are in its log alone, as a process that was killed leaves it."""
    place.mkdir(exist_ok=True)
    program = (
        "import os, sys\nfrom pathlib import Path\n"
        "from whatsapp_mcp.client.journal import Journal\nfrom whatsapp_mcp.encryption import DatabaseKey\n"
        f"journal = Journal(Path(sys.argv[1]), {'DatabaseKey(' + repr(key.secret) + ')' if key else None})\n"
        f"for payload in {payloads!r}: journal.append(1, 17, payload)\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, place / "inbox.db"], check=True, timeout=60)
    assert (place / "inbox.db-wal").stat().st_size


def events(folder: AccountFolder, key: DatabaseKey | None = None) -> list[JournalRow]:
    with Journal(folder.inbox_db, key) as journal:
        return journal.read(0, 100)


def keys_of(path: Path, name: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE keys (name)")
        db.execute("INSERT INTO keys VALUES (?)", (name,))


@pytest.mark.parametrize("key", [None, KEY])
def test_keys_and_journal_move_with_their_logs_when_the_account_is_led(
    folder: AccountFolder, key: DatabaseKey | None
) -> None:
    leave(folder.path, b"one", b"two", key=key)
    keys_of(folder.path / "client.db", "before")
    assert folder.client_db.parent == folder.inbox_db.parent == folder.path
    lead(folder)
    assert [event.payload for event in events(folder, key)] == [b"one", b"two"]
    assert folder.client_db.parent == folder.inbox_db.parent == folder.client
    assert not [*folder.path.glob("inbox.db*"), *folder.path.glob("client.db*")]
    lead(folder)
    assert folder.client_db.exists()


@pytest.mark.parametrize("killed_at", range(8))
def test_a_move_that_was_interrupted_goes_on_where_it_was(
    folder: AccountFolder, killed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(folder.path, b"one", b"two")
    keys_of(folder.path / "client.db", "before")
    left = killed_at

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return act(*arguments, **options)

        return acting

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", counted(Path.replace))
        patch.setattr(Path, "unlink", counted(Path.unlink))
        with suppress(Killed):
            client_folder.move_into_client_folder(folder)
    lead(folder)
    assert [event.payload for event in events(folder)] == [b"one", b"two"]
    with closing(sqlite3.connect(folder.client / "client.db")) as db:
        assert db.execute("SELECT name FROM keys").fetchall() == [("before",)]


def test_what_a_former_version_has_brought_since_takes_the_place_of_what_was_moved(
    folder: AccountFolder,
) -> None:
    leave(folder.client, b"moved")
    leave(folder.path, b"since")
    lead(folder)
    assert [event.payload for event in events(folder)] == [b"since"]


def test_a_client_of_a_former_version_is_gone_before_its_files_move(folder: AccountFolder) -> None:
    program = (
        "import fcntl, os, sys, time\n"
        "fd = os.open('client.lock', os.O_CREAT | os.O_RDWR)\n"
        "fcntl.flock(fd, fcntl.LOCK_EX)\nos.write(fd, str(os.getpid()).encode())\n"
        "print(flush=True)\ntime.sleep(60)\n"
    )
    (folder.path / "inbox.db").touch()
    with subprocess.Popen([sys.executable, "-c", program], cwd=folder.path, stdout=subprocess.PIPE) as former:
        assert former.stdout is not None
        former.stdout.readline()
        try:
            lead(folder)
            assert former.wait(10) < 0
        finally:
            former.kill()
    assert not (folder.path / "client.lock").exists()
    assert os.listdir(folder.client) == ["inbox.db", "received"] or (folder.client / "inbox.db").exists()


def folder_at(path: Path) -> None:
    path.mkdir()
    (path / "within").touch()
    path.chmod(0)


def link_at(path: Path) -> None:
    path.symlink_to("archive.db")


@pytest.mark.parametrize("plant", [folder_at, os.mkfifo, link_at])
@pytest.mark.parametrize(
    "name", ["client.db", "inbox.db", "inbox.db-wal", "client.db-shm", "inbox.db.damaged"]
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
    assert events(folder) == []
