"""Encrypting the databases and files of an account, and making them plain again.

Each is rewritten beside the old one, checked, and put in its place in one step. `encryption.json` is there
first and goes last, and says what was begun: until it has ended a database may be either. So a process that
is killed at any moment leaves an account that works, with the key; the same command goes on with it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from whatsapp_mcp.errors import Busy, InvalidArgument, cause
from whatsapp_mcp.files.encrypted_databases import DatabaseKey, connect, connect_cipher
from whatsapp_mcp.files.sealed_files import seal_all, unseal_all
from whatsapp_mcp.files.vault import Step, Vault
from whatsapp_mcp.system import draft_of, sync_folder

Progress = Callable[[str], None]
"""Called with the name of each file that is done."""
_INCREMENTAL: Final = 2
"""`PRAGMA auto_vacuum` of the new file, which takes it only before its first table."""
_KEPT: Final = ("user_version", "application_id")
"""Pragmas that `sqlcipher_export` does not copy."""


def encrypt(vault: Vault, databases: Sequence[Path], files: Sequence[Path], progress: Progress) -> None:
    """Encrypt what is plain of these databases, and seal the files; what is not there will be made encrypted.

    Raises:
        InvalidArgument: The key cannot be used, or the account is being decrypted; nothing has changed.
        Busy: A database cannot be read or written; those before it are encrypted.
    """
    if not vault.exists:
        vault.create()
    elif vault.step is Step.DECRYPTING:
        raise InvalidArgument(
            "The account is being decrypted.", "Run `whatsapp-mcp decrypt` to its end first."
        )
    elif vault.step is None:
        return
    for path in databases:
        _convert(path, vault.key_of(path.name), progress, encrypts=True)
    _of_files(vault, seal_all, files)
    vault.set_step(None)


def decrypt(vault: Vault, databases: Sequence[Path], files: Sequence[Path], progress: Progress) -> None:
    """Make databases and files plain, and forget their key.

    Raises:
        InvalidArgument: The key cannot be used; nothing has changed.
        Busy: A database cannot be read or written; those before it are plain.
    """
    if not vault.exists:
        return
    # Before the step is noted: with a wrong key the account stays as it is.
    vault.unlock()
    vault.set_step(Step.DECRYPTING)
    for path in databases:
        _convert(path, vault.key_of(path.name), progress, encrypts=False)
    _of_files(vault, unseal_all, files)
    vault.remove()


def _of_files(vault: Vault, change: Callable[[Sequence[Path], bytes], None], files: Sequence[Path]) -> None:
    key = vault.files_key()
    assert key is not None
    try:
        change(files, key)
    except OSError as error:
        raise Busy(
            f"The downloaded files cannot be converted: {cause(error)}.",
            "Free some space on the disk, then run the same command again.",
        ) from error


def _convert(path: Path, key: DatabaseKey | None, progress: Progress, *, encrypts: bool) -> None:
    if not path.exists() or key is None:
        return
    # Drafts of processes that were killed, each as large as the database.
    for left in path.parent.glob(f"{path.name}.*.part"):
        left.unlink()
    try:
        if _is_encrypted(path, key) is not encrypts:
            _fold_log(path, key)
            _rewrite(path, key, encrypts=encrypts)
            progress(path.name)
    except (sqlite3.Error, OSError) as error:
        raise Busy(
            f"{path.name} cannot be converted: {cause(error)}.",
            "Free some space on the disk or restore the file, then run the same command again.",
        ) from error


def _is_encrypted(path: Path, key: DatabaseKey) -> bool:
    """Return whether a file is encrypted with the key; False for an empty file."""
    if not path.stat().st_size:
        return False
    try:
        # Without `may_be_plain`: a plain file has to fail here, not to be opened.
        connect(path, DatabaseKey(key.secret)).close()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
            raise
        return False
    return True


def _fold_log(path: Path, key: DatabaseKey) -> None:
    """Move the write-ahead log into the file and remove it: it would be taken for that of the new file."""
    with closing(connect(path, key)) as db:
        (mode,) = db.execute("PRAGMA journal_mode = DELETE").fetchone()
    if mode != "delete":
        raise Busy(f"{path.name} is in use.", "End whatever has it open, then try again.")


def _rewrite(path: Path, key: DatabaseKey, *, encrypts: bool) -> None:
    former, next_key = (None, key) if encrypts else (DatabaseKey(key.secret), None)
    with draft_of(path) as draft:
        with closing(connect_cipher(path, former)) as db:
            db.execute("ATTACH ? AS converted KEY " + (key.pragma if encrypts else "''"), (str(draft),))
            db.execute(f"PRAGMA converted.auto_vacuum = {_INCREMENTAL}")
            db.execute("SELECT sqlcipher_export('converted')").fetchone()
            for name in _KEPT:
                (value,) = db.execute(f"PRAGMA {name}").fetchone()
                db.execute(f"PRAGMA converted.{name} = {value}")
            db.execute("DETACH converted")
            expected = _counted(db)
        with closing(connect(draft, next_key)) as db:
            # The mode stands in the file's header, which the export does not copy.
            db.execute("PRAGMA journal_mode = WAL")
            (state,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok" or _counted(db) != expected:
                raise Busy(f"{path.name} was not copied whole.", "Run `whatsapp-mcp archive check`.")
        # Synced before the rename: after a power cut the name could stand for a file without its content.
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)


def _counted(db: sqlite3.Connection) -> dict[str, int]:
    """Count the rows of each table."""
    cursor = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    names = [name for (name,) in cursor.fetchall()]
    return {name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608
