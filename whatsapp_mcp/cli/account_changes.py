"""Renaming and removing an account, so that a kill at any step leaves it whole or gone.

An account is its folder, its sections of `config.toml`, and the tokens that are limited to it. A rename
writes sections and tokens for both names, renames the folder, and takes those of the former name out: at no
moment does the account have the shared settings instead of its own. A removal renames the folder to a name
that no account can have, and then deletes it. `finish` completes or undoes what was interrupted.

A marker beside the folders tells that a rename has begun. Its copy in the folder moves along: so an account
that was made under the new name since then is not taken for the renamed one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from whatsapp_mcp.device.leader import LeaderLock, LockFile
from whatsapp_mcp.errors import Busy, InvalidArgument, cause
from whatsapp_mcp.files.vault import KeySource
from whatsapp_mcp.settings import (
    REMOVING,
    RENAMING,
    AccountFolder,
    Settings,
    config_text,
    make_private,
    parse,
    with_section_copied,
    without_section,
)
from whatsapp_mcp.system import HERE, System, sync_folder, write_private


def rename(loaded: Settings, old: str, new: str) -> None:
    """Give an account another name.

    Raises:
        InvalidArgument: The new name is taken, somebody is limited to it already, or `config.toml` has to be
            changed by hand first.
        Busy: A server of it runs, or a file cannot be written.
    """
    folder, target = loaded.account_folder(old), loaded.account_folder(new)
    with named_faults(loaded.home), changing(loaded.home):
        _require_renamable(loaded, old, new)
        with nobody_leads(folder) as lock:
            # First, since a keyring may refuse: then nothing has begun.
            _copy_key(folder, target)
            _begin_rename(loaded, old, new)
            move_folder(lock, folder.path, target.path)
            _end_rename(loaded, old, target)


def _require_renamable(loaded: Settings, old: str, new: str) -> None:
    require_unnamed(loaded, old)
    if _marker(loaded).exists():
        raise Busy("Another rename has not ended.", "End the servers of that account, then run this again.")
    require_free_name(loaded, new)


def require_free_name(loaded: Settings, name: str) -> None:
    """Check that an account can take a name: nothing has it, and nobody is limited to it.

    Raises:
        InvalidArgument: It cannot.
    """
    if loaded.account_folder(name).path.exists():
        raise InvalidArgument(f"There is an account {name} already.", "Choose another name.")
    require_unnamed(loaded, name)
    require_no_token(loaded, name)
    if name in loaded.accounts_with_settings:
        raise InvalidArgument(
            f"config.toml has settings of an account {name} already.", "Take its sections out first."
        )


def _begin_rename(loaded: Settings, old: str, new: str) -> None:
    # The one beside the folders last: from then on there is a rename that `finish` has to end.
    for marker in (_marker_in(loaded.account_folder(old)), _marker(loaded)):
        write_private(marker, json.dumps([old, new]).encode(), synced=True)
    if old in loaded.accounts_with_settings:
        _edit_config(
            loaded.home, lambda text: with_section_copied(text, ("accounts", old), ("accounts", new))
        )
    _change_tokens(loaded.home, lambda names: names | {new} if old in names else names)


def _end_rename(loaded: Settings, gone: str, folder: AccountFolder) -> None:
    """Take out what belongs to a name that is not, or no longer, that of the account in the folder."""
    forget_name(loaded, gone)
    _marker(loaded).unlink()
    sync_folder(_marker(loaded).parent)
    _marker_in(folder).unlink(missing_ok=True)  # last: without it, the rename counts as undone


def forget_name(loaded: Settings, name: str) -> None:
    """Take out the sections of an account, and its name in tokens."""
    if name in parse(loaded.home, config_text(loaded.home)).accounts_with_settings:
        _edit_config(loaded.home, lambda text: without_section(text, ("accounts", name)))
    _change_tokens(loaded.home, lambda names: names - {name})


def remove(loaded: Settings, name: str) -> None:
    """Delete an account: its folder, its settings, and its name in tokens.

    Raises:
        InvalidArgument: Its folder is a link, or `config.toml` has to be changed by hand first.
        Busy: A server of it runs, or a file cannot be deleted.
    """
    folder = loaded.account_folder(name)
    require_removable(loaded, folder)
    with named_faults(loaded.home), changing(loaded.home), nobody_leads(folder) as lock:
        # First: a token that outlasts the account would reach the next one of its name.
        _change_tokens(loaded.home, lambda names: names - {name})
        leaving = folder.path.with_name(f"{REMOVING}{name}")
        move_folder(lock, folder.path, leaving)
        _end_removal(loaded, leaving)


def _end_removal(loaded: Settings, leaving: Path) -> None:
    name = leaving.name.removeprefix(REMOVING)
    # An account that was made under this name since keeps its settings and tokens.
    if not leaving.with_name(name).exists():
        forget_name(loaded, name)
    shutil.rmtree(leaving)


def finish(loaded: Settings) -> list[str]:
    """Complete or undo what was interrupted; what goes on in another process is left to it.

    Returns:
        What was done, each a sentence.

    Raises:
        InvalidArgument: `config.toml` has to be changed by hand.
        Busy: A file cannot be written or deleted.
    """
    if not _marker(loaded).exists() and not _removals(loaded):
        return []
    try:
        with named_faults(loaded.home), changing(loaded.home):
            return [*_finish_rename(loaded), *_finish_removals(loaded)]
    except _Changing:
        return []


def _finish_rename(loaded: Settings) -> Iterator[str]:
    said = _said(loaded, _marker(loaded))
    if said is None:
        return
    if not said:  # it is written whole, before anything is changed
        _marker(loaded).unlink(missing_ok=True)
        yield "A rename was interrupted, and is undone now."
        return
    old, new = said
    is_here = old.path.is_dir()  # before the look at where it may have moved meanwhile
    is_done = _said(loaded, _marker_in(new)) == said
    folder, gone = (new, old) if is_done else (old, new)
    with _held(folder) if is_done or is_here else nullcontext() as held:
        if (held is not None and held.holder is not None) or _said(loaded, _marker(loaded)) != said:
            return
        _end_rename(loaded, gone.name, folder)
    how = "complete" if is_done else "undone"
    yield f"The rename of {old.name} to {new.name} was interrupted, and is {how} now."


def _finish_removals(loaded: Settings) -> Iterator[str]:
    for leaving in _removals(loaded):
        with _held(AccountFolder(leaving.name, leaving)) as held:
            if held.holder is not None:
                continue
            _release_where_files_bind(held.lock)
            _end_removal(loaded, leaving)
        name = leaving.name.removeprefix(REMOVING)
        yield f"The removal of {name} was interrupted, and is complete now."


def _removals(loaded: Settings) -> list[Path]:
    return sorted(loaded.home.glob(f"accounts/{REMOVING}*"))


def _marker(loaded: Settings) -> Path:
    return loaded.home / "accounts" / RENAMING


def _marker_in(folder: AccountFolder) -> Path:
    return folder.path / RENAMING


def _said(loaded: Settings, marker: Path) -> tuple[AccountFolder, ...] | None:
    """The account under its former and its new name; empty where a marker has no names, None without one."""
    try:
        match json.loads(marker.read_bytes()):
            case [str(old), str(new)]:
                return loaded.account_folder(old), loaded.account_folder(new)
            case _:
                return ()
    except FileNotFoundError:
        return None
    except (ValueError, InvalidArgument):
        return ()


def require_removable(loaded: Settings, folder: AccountFolder) -> None:
    """Check that nothing keeps an account from being removed, before any of it is deleted.

    Raises:
        InvalidArgument: Its folder is a link, or `config.toml` has to be changed by hand first.
        Busy: A server of it runs.
    """
    if folder.path.is_symlink():
        raise InvalidArgument(
            f"The folder of {folder.name} is a link, {folder.path}.",
            "Put the folder itself in its place, then run this again.",
        )
    require_unnamed(loaded, folder.name)
    if folder.name in loaded.accounts_with_settings:
        without_section(config_text(loaded.home), ("accounts", folder.name))
    with nobody_leads(folder):
        pass


class _Changing(Busy):
    """Another process adds, renames, moves or removes an account."""


@contextmanager
def changing(home: Path) -> Generator[None]:
    """Let no other process add, rename, move or remove an account for as long as the body runs.

    Raises:
        Busy: One does.
    """
    path = home / "accounts" / ".changing"
    make_private(path.parent)
    lock = LockFile(path)
    if not lock.acquire():
        raise _Changing(
            f"Process {lock.holder() or 0} is changing accounts.", "Wait for it to end, then run this again."
        )
    try:
        yield
    finally:
        lock.release()


class Held(NamedTuple):
    """A look at the leader's lock of an account.

    Attributes:
        lock: It.
        holder: The process that has it, 0 where that is not known; None where it is held here.
    """

    lock: LeaderLock
    holder: int | None


@contextmanager
def nobody_leads(folder: AccountFolder) -> Generator[LeaderLock]:
    """Keep every server from leading an account for as long as the body runs; lends the lock.

    Raises:
        Busy: One leads it.
    """
    with _held(folder) as held:
        if held.holder is not None:
            raise Busy(
                f"A server of {folder.name} is running (process {held.holder}).",
                "End the applications and services that use whatsapp-mcp, then run this again.",
            )
        yield held.lock


@contextmanager
def _held(folder: AccountFolder) -> Generator[Held]:
    """The leader's lock for as long as the body runs, or who has it."""
    lock = LeaderLock(folder)
    try:
        yield Held(lock, None if lock.acquire() else lock.holder() or 0)
    finally:
        lock.release()


def move_folder(lock: LeaderLock, path: Path, target: Path) -> None:
    """Give the folder of an account another name, on the disk when this returns.

    Args:
        lock: Of the account; it is held.
        path: The folder.
        target: Its new name.
    """
    _release_where_files_bind(lock)
    path.rename(target)
    sync_folder(target.parent)
    sync_folder(path.parent)


def _release_where_files_bind(lock: LeaderLock) -> None:
    """Release the lock where no folder can be renamed or deleted while a file in it is open.

    A server that takes the lock in that moment has files open, and the rename fails.
    """
    if HERE is System.WINDOWS:
        lock.release()


@contextmanager
def named_faults(home: Path) -> Generator[None]:
    """Tell of a file that cannot be written as an error of ours.

    Raises:
        Busy: The body met one.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or home
        raise Busy(
            f"{where} cannot be changed: {cause(error)}.", "Correct that, then run this again."
        ) from error


def require_unnamed(loaded: Settings, name: str) -> None:
    """Check that `server.oauth.accounts` does not name an account: only a person knows its replacement.

    Raises:
        InvalidArgument: It does.
    """
    oauth = loaded.server.oauth
    if oauth is not None and any(name in names for names in oauth.accounts.values()):
        raise InvalidArgument(
            f"server.oauth.accounts in config.toml names {name}.", "Take it out there first."
        )


def require_no_token(loaded: Settings, name: str) -> None:
    """Check that no token is limited to a name without an account: a new account would inherit it.

    Raises:
        InvalidArgument: One is.
    """
    from whatsapp_mcp.server.transports import Tokens

    for token in Tokens(loaded.home).all():
        if name in (token.accounts or ()):
            raise InvalidArgument(
                f"The token {token.name} is for an account {name} already.",
                f"Run `whatsapp-mcp token revoke {token.name}` first, or choose another name.",
            )


def _copy_key(folder: AccountFolder, target: AccountFolder) -> None:
    """Put the key of an encrypted account where it is looked for under the new name: in the keyring.

    Raises:
        InvalidArgument: It is not there, or the keyring does not keep it.
    """
    before = folder.vault.source
    if folder.vault.exists and before is not None and before.file is None and before.command is None:
        key, after = before.read(), KeySource(name=str(target.path))
        if key is None:
            raise InvalidArgument(
                f"The keyring has no key of {folder.name}, which is encrypted.",
                "Unlock the keyring, or put the key back into it, then run this again.",
            )
        after.store(key)
        if after.read() != key:
            raise InvalidArgument(
                "The keyring did not keep the key under the new name.", "Look at the keyring of this system."
            )


def _change_tokens(home: Path, change: Callable[[frozenset[str]], Iterable[str]]) -> None:
    from whatsapp_mcp.server.transports import Tokens

    Tokens(home).change_accounts(change)


def _edit_config(home: Path, change: Callable[[str], str]) -> None:
    after = change(config_text(home))
    # Before it is written: a file that cannot be read would keep every server from starting.
    parse(home, after)
    write_private(home / "config.toml", after.encode(), synced=True)
