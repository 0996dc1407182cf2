"""Moving an account into a database and out of it, as far as this computer is concerned.

What a database and a folder hold is `node.moving`'s; here are the name, the settings and the tokens. A move
that is interrupted goes on when it is run again.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from whatsapp_fleet.database import Database
from whatsapp_fleet.node.moving import (
    ARRIVING,
    MoveRecord,
    arrival_in,
    forget_there,
    move_in,
    move_out,
    remove_keys,
)
from whatsapp_fleet.objects import open_objects
from whatsapp_mcp.cli.account_changes import (
    changing,
    forget_name,
    move_folder,
    named_faults,
    nobody_leads,
    require_free_name,
    require_removable,
)
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.settings import (
    AccountFolder,
    Settings,
    check_own_text,
    config_text,
    make_private,
    parse,
    section_as,
)
from whatsapp_mcp.system import sync_folder, write_private


async def move_to(loaded: Settings, name: str, database: Database) -> Path:
    """Move an account into a database; answers where what this computer had of it is, without its keys.

    Raises:
        InvalidArgument: It cannot be moved as it is.
        Busy: A server of it runs, the database does not answer, or a file cannot be written.
    """
    folder = loaded.account_folder(name)
    with named_faults(loaded.home), changing(loaded.home):
        require_removable(loaded, folder)
        own = own_settings(config_text(loaded.home), name)
        check_own_text(loaded.home, name, own)
        with nobody_leads(folder) as lock:
            record = await move_in(folder, database, own)
            remove_keys(folder)
            forget_name(loaded, name)
            left = loaded.home / "moved" / f"{name}-{record.move[:8]}"
            make_private(left.parent)
            move_folder(lock, folder.path, left)
    return left


async def move_from(loaded: Settings, name: str, database: Database) -> None:
    """Move an account from a database to this computer.

    Raises:
        InvalidArgument: The name is taken here, or the database has no such account.
        Busy: The database does not answer, a node does not give it up, or a file cannot be written.
    """
    target = loaded.account_folder(name)
    arriving = AccountFolder(name, target.path.with_name(f"{ARRIVING}{name}"))
    with named_faults(loaded.home), changing(loaded.home):
        record = MoveRecord.read(arrival_in(target.path))
        if record is None:
            if MoveRecord.read(arrival_in(arriving.path)) is None:
                require_free_name(loaded, name)
            record = await move_out(arriving, database)
            _take_settings(loaded, name, record.settings)
            arriving.path.rename(target.path)
            sync_folder(target.path.parent)
        await forget_there(name, database, record)
        arrival_in(target.path).unlink()


def own_settings(text: str, name: str) -> str:
    """The sections of an account in `config.toml`, as a text of its own.

    Raises:
        InvalidArgument: The file is written in a way in which it cannot be changed.
    """
    if name not in tomllib.loads(text).get("accounts", {}):
        return ""
    return section_as(text, ("accounts", name), ())


def _take_settings(loaded: Settings, name: str, text: str) -> None:
    """Write the settings that an account brings into `config.toml`, unless they are there."""
    before = config_text(loaded.home)
    if not text or name in parse(loaded.home, before).accounts_with_settings:
        return
    added = section_as(text, (), ("accounts", name))
    after = f"{before.rstrip()}\n\n{added.strip()}\n".lstrip()
    parse(loaded.home, after)
    write_private(loaded.home / "config.toml", after.encode(), synced=True)


def database_at(url: str, files: str, *, allow_asynchronous: bool) -> Database:
    """The database at a URL, as a person typed it.

    Args:
        url: As typed.
        files: The object store of the settings, if there is one.
        allow_asynchronous: As typed.

    Raises:
        InvalidArgument: It is none.
    """
    if not url.startswith(("postgres://", "postgresql://")):
        raise InvalidArgument("A database is named by a URL that begins with postgres://.")
    return Database(url, allow_asynchronous=allow_asynchronous, objects=open_objects(files))
