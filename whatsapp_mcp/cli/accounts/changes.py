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

from whatsapp_mcp.device.leader import LeaderLock
from whatsapp_mcp.encryption import KeySource
from whatsapp_mcp.errors import Busy, InvalidArgument, cause
from whatsapp_mcp.settings import (
    REMOVING,
    RENAMING,
    AccountFolder,
    Change,
    Copy,
    Erasure,
    Settings,
    config_text,
    edited,
    parse,
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
    if target.path.exists():
        raise InvalidArgument(f"There is an account {new} already.", "Choose another name.")
    _require_unnamed(loaded, old)
    if _marker(loaded).exists():
        raise Busy("Another rename has not ended.", "End the servers of that account, then run this again.")
    _require_unnamed(loaded, new)
    _require_no_token(loaded, new)
    if new in loaded.accounts_with_settings:
        raise InvalidArgument(
            f"config.toml has settings of an account {new} already.", "Take its sections out first."
        )
    with _nobody_leads(folder), _named_faults(loaded.home):
        _copy_key(folder, target)
        _begin_rename(loaded, old, new)
        folder.path.rename(target.path)
        sync_folder(folder.path.parent)
        _end_rename(loaded, old, target)


def _begin_rename(loaded: Settings, old: str, new: str) -> None:
    for marker in (_marker_in(loaded.account_folder(old)), _marker(loaded)):
        write_private(marker, json.dumps([old, new]).encode(), synced=True)
    if old in loaded.accounts_with_settings:
        _edit(loaded.home, Copy(("accounts", old), ("accounts", new)))
    _change_tokens(loaded.home, lambda names: names | {new} if old in names else names)


def _end_rename(loaded: Settings, gone: str, folder: AccountFolder) -> None:
    """Take out what belongs to a name that is not, or no longer, that of the account in the folder."""
    _forget(loaded, gone)
    _marker(loaded).unlink()
    sync_folder(_marker(loaded).parent)
    _marker_in(folder).unlink(missing_ok=True)  # last: without it, the rename counts as undone


def _forget(loaded: Settings, name: str) -> None:
    if name in parse(loaded.home, config_text(loaded.home)).accounts_with_settings:
        _edit(loaded.home, Erasure(("accounts", name)))
    _change_tokens(loaded.home, lambda names: names - {name})


def remove(loaded: Settings, name: str) -> None:
    """Delete an account: its folder, its settings, and its name in tokens.

    Raises:
        InvalidArgument: Its folder is a link, or `config.toml` has to be changed by hand first.
        Busy: A server of it runs, or a file cannot be deleted.
    """
    folder = loaded.account_folder(name)
    require_removable(loaded, folder)
    with _nobody_leads(folder), _named_faults(loaded.home):
        # First: a token that outlasts the account would reach the next one of its name.
        _change_tokens(loaded.home, lambda names: names - {name})
        leaving = folder.path.with_name(f"{REMOVING}{name}")
        folder.path.rename(leaving)
        sync_folder(leaving.parent)
        _end_removal(loaded, leaving)


def _end_removal(loaded: Settings, leaving: Path) -> None:
    name = leaving.name.removeprefix(REMOVING)
    if not leaving.with_name(name).exists():
        _forget(loaded, name)
    shutil.rmtree(leaving)


def finish(loaded: Settings) -> list[str]:
    """Complete or undo what was interrupted; what goes on in another process is left to it.

    Returns:
        What was done, each a sentence.

    Raises:
        InvalidArgument: `config.toml` has to be changed by hand.
        Busy: A file cannot be written or deleted.
    """
    with _named_faults(loaded.home):
        return [*_finish_rename(loaded), *_finish_removals(loaded)]


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
    with _held(folder) if is_done or is_here else nullcontext() as holder:
        if holder is not None or _said(loaded, _marker(loaded)) != said:
            return
        _end_rename(loaded, gone.name, folder)
    how = "complete" if is_done else "undone"
    yield f"The rename of {old.name} to {new.name} was interrupted, and is {how} now."


def _finish_removals(loaded: Settings) -> Iterator[str]:
    for leaving in sorted(loaded.home.glob(f"accounts/{REMOVING}*")):
        with _held(AccountFolder(leaving.name, leaving)) as holder:
            if holder is not None:
                continue
            _end_removal(loaded, leaving)
        name = leaving.name.removeprefix(REMOVING)
        yield f"The removal of {name} was interrupted, and is complete now."


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
    """See that nothing keeps an account from being removed, before anything of it is gone.

    Raises:
        InvalidArgument: Its folder is a link, or `config.toml` has to be changed by hand first.
        Busy: A server of it runs.
    """
    if folder.path.is_symlink():
        raise InvalidArgument(
            f"The folder of {folder.name} is a link, {folder.path}.",
            "Put the folder itself in its place, then run this again.",
        )
    _require_unnamed(loaded, folder.name)
    if folder.name in loaded.accounts_with_settings:
        edited(config_text(loaded.home), [Erasure(("accounts", folder.name))])
    with _nobody_leads(folder):
        pass


@contextmanager
def _nobody_leads(folder: AccountFolder) -> Generator[None]:
    """Keep every server from leading an account for as long as the body runs.

    Raises:
        Busy: One leads it.
    """
    with _held(folder) as holder:
        if holder is not None:
            raise Busy(
                f"A server of {folder.name} is running (process {holder}).",
                "End the applications and services that use whatsapp-mcp, then run this again.",
            )
        yield


@contextmanager
def _held(folder: AccountFolder) -> Generator[int | None]:
    """The leader's lock for as long as the body runs; or who has it, 0 where that is not known."""
    lock = LeaderLock(folder)
    holder = None if lock.acquire() else lock.holder() or 0
    if HERE is System.WINDOWS:
        lock.release()  # no folder is renamed there while a file in it is open
    try:
        yield holder
    finally:
        lock.release()


@contextmanager
def _named_faults(home: Path) -> Generator[None]:
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


def _require_unnamed(loaded: Settings, name: str) -> None:
    """See that `server.oauth.accounts` does not name an account: only a person knows what it is to be then.

    Raises:
        InvalidArgument: It does.
    """
    oauth = loaded.server.oauth
    if oauth is not None and any(name in names for names in oauth.accounts.values()):
        raise InvalidArgument(
            f"server.oauth.accounts in config.toml names {name}.", "Take it out there first."
        )


def _require_no_token(loaded: Settings, name: str) -> None:
    """See that no token is limited to a name that no account has: it would reach the one that takes the name.

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
    """Put the key of an encrypted account where it is looked for under the new name: in the keyring."""
    before = folder.vault.source
    if folder.vault.exists and before is not None and before.file is None and before.command is None:
        key = before.read()
        if key is not None:
            KeySource(name=str(target.path)).store(key)


def _change_tokens(home: Path, change: Callable[[frozenset[str]], Iterable[str]]) -> None:
    from whatsapp_mcp.server.transports import Tokens

    Tokens(home).change_accounts(change)


def _edit(home: Path, *changes: Change) -> None:
    before = config_text(home)
    after = edited(before, changes)
    parse(home, after)
    write_private(home / "config.toml", after.encode(), synced=True)
