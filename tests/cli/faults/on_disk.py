"""Faults of a home folder and of its files."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio

from tests.cli.faults.world import CONFIG, ROOT, Fault, World
from whatsapp_mcp.settings import HOME_VARIABLE, AccountFolder

_TEXT = "this is a text and no database\n" * 1000
_HOLD_LOCK = """
import sys
from pathlib import Path
from whatsapp_mcp.device.leader import LeaderLock
from whatsapp_mcp.settings import AccountFolder
lock = LeaderLock(AccountFolder("default", Path(sys.argv[1])))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


def damage(path: Path) -> None:
    """Overwrite all but the first page of a database, whose log is moved into it before."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


# Databases.


async def archive_missing(world: World) -> None:
    (world.account / "archive.db").unlink()


async def archive_emptied(world: World) -> None:
    os.truncate(world.account / "archive.db", 0)


async def restore_archive(world: World) -> None:
    world.restore("archive.db")


async def archive_page_damaged(world: World) -> None:
    path = world.account / "archive.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages'").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)


async def archive_destroyed(world: World) -> None:
    damage(world.account / "archive.db")


async def archive_is_text(world: World) -> None:
    (world.account / "archive.db").write_text(_TEXT)


async def recover(world: World) -> None:
    """No command leads in a circle, or ends in a traceback."""
    code, said = await world.run("archive", "check")
    assert (code, "`whatsapp-mcp archive recover`" in said) == (1, True)
    for command in (["archive", "rebuild"], ["people", "list"], ["archive", "stats"]):
        code, said = await world.run(*command)
        assert code == 0 or "`whatsapp-mcp doctor`" in said
    code, said = await world.run("archive", "recover")
    assert code == 0, said
    assert (await world.run("archive", "check"))[0] == 0


async def recover_and_restore(world: World) -> None:
    await recover(world)
    _, found = await world.doctor()
    assert [each.detail for each in found if each.name == "archive" and "never held" in each.detail]
    world.restore("archive.db")


async def ledger_is_text(world: World) -> None:
    (world.account / "ledger.db").write_text(_TEXT)


async def delete_ledger(world: World) -> None:
    for suffix in ("", "-wal", "-shm"):
        (world.account / f"ledger.db{suffix}").unlink(missing_ok=True)
    code, _ = await world.run("exposures")
    assert code == 0


async def ledger_missing(world: World) -> None:
    (world.account / "ledger.db").unlink()


async def restore_ledger(world: World) -> None:
    world.restore("ledger.db")


async def raw_missing(world: World) -> None:
    (world.account / "raw.db").unlink()


async def restore_raw(world: World) -> None:
    world.restore("raw.db")


async def approval_key_cut(world: World) -> None:
    os.truncate(world.account / "approval.key", 7)


async def restore_approval_key(world: World) -> None:
    world.restore("approval.key")


# Who may read and write.


async def home_open(world: World) -> None:
    world.home.chmod(0o755)


async def home_shut(world: World) -> None:
    world.home.chmod(0o500)


async def open_home_again(world: World) -> None:
    world.home.chmod(0o700)


async def home_is_a_file(world: World) -> None:
    file = world.home.with_name("file")
    file.touch()
    world.variables[HOME_VARIABLE] = str(file)


async def name_the_right_home(world: World) -> None:
    del world.variables[HOME_VARIABLE]


async def accounts_shut(world: World) -> None:
    (world.home / "accounts").chmod(0o500)


async def open_accounts_again(world: World) -> None:
    (world.home / "accounts").chmod(0o700)


async def token_open(world: World) -> None:
    token = world.home / "http-token"
    token.write_text("x" * 43)
    token.chmod(0o644)


async def archive_open(world: World) -> None:
    (world.account / "archive.db").chmod(0o644)


async def archive_shut(world: World) -> None:
    (world.account / "archive.db").chmod(0)


async def account_shut(world: World) -> None:
    world.account.chmod(0o500)


async def media_is_a_file(world: World) -> None:
    (world.account / "media").rmdir()
    (world.account / "media").touch()


async def move_media_away(world: World) -> None:
    (world.account / "media").rename(world.home / "no-media")


async def file_of_another_user(world: World) -> None:
    os.chown(world.account / "archive.db", 12345, -1)


# Accounts.


async def removal_interrupted(world: World) -> None:
    (world.home / "accounts" / ".removing-work").mkdir()


async def account_of_no_name(world: World) -> None:
    (world.home / "accounts" / "old copy").mkdir(mode=0o700)


async def move_the_copy_away(world: World) -> None:
    (world.home / "accounts" / "old copy").rename(world.home / "old copy")


async def socket_is_a_folder(world: World) -> None:
    AccountFolder("default", world.account).socket.mkdir()


async def delete_the_folder(world: World) -> None:
    AccountFolder("default", world.account).socket.rmdir()


async def leader_is_silent(world: World) -> None:
    process = await anyio.open_process(
        [sys.executable, "-c", _HOLD_LOCK, str(world.account)], cwd=ROOT, stdin=subprocess.PIPE
    )
    await world.others.enter_async_context(process)
    assert process.stdout is not None
    assert (await process.stdout.receive()).strip() == b"True"
    world.others.callback(process.kill)


async def end_it(world: World) -> None:
    await world.end_servers()


# Encryption.


async def encrypt(world: World) -> None:
    world.config.write_text(f'[encryption]\nkey_file = "{world.home.with_name("key")}"\n{CONFIG}')
    code, said = await world.run("encryption", "enable")
    assert code == 0, said


async def key_missing(world: World) -> None:
    await encrypt(world)
    world.home.with_name("key").rename(world.home.with_name("kept"))


async def put_key_back(world: World) -> None:
    world.home.with_name("kept").rename(world.home.with_name("key"))


async def locked_key_damaged(world: World) -> None:
    await encrypt(world)
    path = world.account / "encryption.json"
    shutil.copy(path, world.backup / "accounts" / "default" / path.name)
    path.write_text("{}")


async def restore_locked_key(world: World) -> None:
    world.restore("encryption.json")


async def encryption_interrupted(world: World) -> None:
    await encrypt(world)
    path = world.account / "encryption.json"
    path.write_text(path.read_text().replace('"step": null', '"step": "encrypting"'))


ON_DISK = (
    Fault("archive missing", archive_missing, "archive", "missing or empty", "backup", restore_archive),
    Fault("archive emptied", archive_emptied, "archive", "missing or empty", "backup", restore_archive),
    Fault("archive damaged", archive_page_damaged, "integrity", "archive.db is damaged", "recover", recover),
    Fault(
        "archive is text",
        archive_is_text,
        "integrity",
        "archive.db is damaged",
        "recover",
        recover_and_restore,
    ),
    Fault(
        "archive destroyed",
        archive_destroyed,
        "integrity",
        "archive.db is damaged",
        "recover",
        recover_and_restore,
    ),
    Fault("ledger is text", ledger_is_text, "integrity", "ledger.db is damaged", "delete", delete_ledger),
    Fault("ledger missing", ledger_missing, "archive", "ledger.db is missing", "backup", restore_ledger),
    Fault("raw missing", raw_missing, "archive", "raw.db is missing", "backup", restore_raw),
    Fault("seal cut", approval_key_cut, "files", "approval.key is damaged", "backup", restore_approval_key),
    Fault("home open", home_open, "home folder", "can be read by others (755)", "chmod 700"),
    Fault("home shut", home_shut, "home folder", "Permission denied", "can write", open_home_again),
    Fault(
        "home a file", home_is_a_file, "home folder", "Not a directory", HOME_VARIABLE, name_the_right_home
    ),
    Fault(
        "accounts shut", accounts_shut, "home folder", "accounts cannot be used", "write", open_accounts_again
    ),
    Fault("token open", token_open, "permissions", "others may read", "chmod -R go-rwx"),
    Fault("archive open", archive_open, "permissions", "others may read", "chmod -R go-rwx"),
    Fault("archive shut", archive_shut, "files", "archive.db cannot be read", "chmod -R u+rwX"),
    Fault("account shut", account_shut, "files", "default cannot be read", "chmod -R u+rwX"),
    Fault("media a file", media_is_a_file, "files", "media should be a folder", "away", move_media_away),
    Fault(
        "file of another", file_of_another_user, "permissions", "another user", "sudo chown -R", needs="root"
    ),
    Fault("removal interrupted", removal_interrupted, "accounts", "interrupted", "`whatsapp-mcp accounts`"),
    Fault("no account", account_of_no_name, "account", "not a valid", "away", move_the_copy_away),
    Fault("socket a folder", socket_is_a_folder, "socket", "is a folder", "Delete", delete_the_folder),
    Fault("leader silent", leader_is_silent, "leader", "does not answer", "end that server", end_it),
    Fault("key missing", key_missing, "encryption", "there is no key", "Put the key there", put_key_back),
    Fault(
        "locked key damaged", locked_key_damaged, "encryption", "cannot be read", "backup", restore_locked_key
    ),
    Fault(
        "encryption interrupted",
        encryption_interrupted,
        "encryption",
        "encrypting was interrupted",
        "`whatsapp-mcp encryption enable`",
    ),
)
