"""`whatsapp-mcp uninstall`: lists what this program has put on the machine, and takes it away again."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from whatsapp_mcp.cli.accounts import size_of
from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.installation import DISTRIBUTION
from whatsapp_mcp.cli.options import agreed
from whatsapp_mcp.cli.outcome import ExitCode, print_error
from whatsapp_mcp.cli.service import installed_services, remove_service
from whatsapp_mcp.errors import Busy, InvalidArgument, WhatsAppError, cause
from whatsapp_mcp.files.home import SERVER_LOG

if TYPE_CHECKING:
    from whatsapp_mcp.cli.hosts import Found, Host
    from whatsapp_mcp.settings import AccountFolder

_FILES: Final = ("config.toml", SERVER_LOG, f"{SERVER_LOG}.1")
_FOLDERS: Final = ("tokens", "models", "accounts")
"""Folders that this program makes in the home folder; anything else in or beside them belongs to the
person."""
_MODEL: Final = "whisper-"
"""Prefix of the folder of a speech model; a file in it says where the others came from."""
_OF_THE_PROGRAM: Final = (
    f"What installed the program removes it: `uv tool uninstall {DISTRIBUTION}`, "
    f"`pipx uninstall {DISTRIBUTION}` or `pip uninstall {DISTRIBUTION}`."
)


@dataclass(frozen=True, slots=True)
class _Account:
    """An account here; `size` in bytes."""

    folder: AccountFolder
    is_linked: bool
    size: int


@dataclass(frozen=True, slots=True)
class _Inventory:
    """All that is here of this program, but for its own files."""

    home: Path
    services: list[Path]
    hosts: list[Found]
    unread: list[tuple[Host, Path]]
    models: list[str]
    accounts: list[_Account]

    @property
    def linked(self) -> list[_Account]:
        return [account for account in self.accounts if account.is_linked]

    @property
    def has_parts(self) -> bool:
        """True if there are services, applications or speech models to remove."""
        return bool(self.services or self.hosts or self.models)

    def lines(self) -> Iterator[str]:
        """Yield the lines of the inventory that the person is shown."""
        for path in self.services:
            yield f"service      {path}"
        for each in self.hosts:
            yield f"application  {each.host.title}: {each.name} in {each.path}"
        for host, path in self.unread:
            yield f"unknown      {host.title}: {path} cannot be read"
        for model in self.models:
            yield f"model        {model}"
        for account in self.accounts:
            linked = "linked" if account.is_linked else "not linked"
            yield f"account      {account.folder.name}: {linked}, {account.size / 1e6:,.1f} MB"
        if self.home.is_dir():
            yield f"home         {self.home}"


app = App()


@app.command()
def uninstall(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what is here.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Remove services, applications' entries and models unasked.")
    ] = False,
    unlink: Annotated[
        bool | None, typer.Option("--unlink/--keep-linked", help="Log out of WhatsApp, without asking.")
    ] = None,
    delete: Annotated[
        bool | None,
        typer.Option("--delete-messages/--keep-messages", help="Delete the home folder, without asking."),
    ] = None,
) -> None:
    """Take everything off this machine.

    Lists it first, and asks separately before it unlinks the phone and before it deletes messages.
    """
    here = _take_stock()
    lines = list(here.lines())
    typer.echo("\n".join(lines) if lines else "There is nothing here.")
    if dry_run or not lines:
        typer.echo(f"Nothing was removed. {_OF_THE_PROGRAM}", err=True)
        return
    _check_answers(here, yes=yes, unlink=unlink, delete=delete)
    if here.has_parts:
        agreed("Remove the services, the entries of applications and the models?", yes=yes)
    names = ", ".join(account.folder.name for account in here.linked)
    unlinks = bool(names) and _answer(f"Unlink the phone of {names}? The messages here stay.", unlink)
    deletes = here.home.is_dir() and _answer(f"Delete all messages and settings in {here.home}?", delete)
    is_done = _remove(here, unlinks=unlinks, deletes=deletes)
    typer.echo(_OF_THE_PROGRAM, err=True)
    raise typer.Exit(ExitCode.OK if is_done else ExitCode.FAILED)


def _take_stock() -> _Inventory:
    from whatsapp_mcp import settings
    from whatsapp_mcp.cli.connection import find
    from whatsapp_mcp.cli.hosts import Machine, found, unreadable
    from whatsapp_mcp.models import ConnectionState

    loaded = settings.load()
    accounts: list[_Account] = []
    for name in loaded.accounts():
        folder = loaded.account_folder(name)
        if not _is_account(folder):
            continue
        is_linked = find(name, wait=False).state is not ConnectionState.UNLINKED
        accounts.append(_Account(folder, is_linked, size_of(folder.path)))
    records = sorted((loaded.home / "models").glob(f"{_MODEL}*/model.json"))
    models = [record.parent.name.removeprefix(_MODEL) for record in records]
    machine = Machine.here()
    return _Inventory(
        loaded.home, installed_services(), found(machine), unreadable(machine), models, accounts
    )


def _is_account(folder: AccountFolder) -> bool:
    """Return whether this program made a folder: it holds an account's database or lock, or no file."""
    ours = (*folder.databases, folder.client_db, folder.leader_lock)
    is_empty = not any(path.is_file() or path.is_symlink() for path in folder.path.rglob("*"))
    return is_empty or any(path.is_file() for path in ours)


def _check_answers(here: _Inventory, *, yes: bool, unlink: bool | None, delete: bool | None) -> None:
    """Check, before anything is done, that each question has an answer where nobody can be asked.

    Raises:
        InvalidArgument: One has none.
    """
    if _can_ask():
        return
    missing = [
        option
        for option, is_missing in (
            ("--yes", here.has_parts and not yes),
            ("--unlink or --keep-linked", bool(here.linked) and unlink is None),
            ("--delete-messages or --keep-messages", here.home.is_dir() and delete is None),
        )
        if is_missing
    ]
    if missing:
        raise InvalidArgument("Nobody can be asked what to remove.", f"Give {', '.join(missing)}.")


def _can_ask() -> bool:
    """Return whether a person can be asked at the terminal."""
    return sys.stdin.isatty()


def _answer(question: str, given: bool | None) -> bool:
    return typer.confirm(question, err=True) if given is None else given


def _remove(here: _Inventory, *, unlinks: bool, deletes: bool) -> bool:
    """Remove what was agreed; what fails is told and left. Whether nothing failed."""
    from whatsapp_mcp.cli.connection import unlinked, with_known_device

    kept: set[str] = set()
    failures = 0

    def attempt(what: str, act: Callable[[], object]) -> bool:
        nonlocal failures
        try:
            act()
        except WhatsAppError as error:
            print_error(error)
        except OSError as error:
            print_error(Busy(f"{what} cannot be removed: {cause(error)}.", "Remove it by hand."))
        else:
            typer.echo(f"Removed: {what}.")
            return True
        failures += 1
        return False

    # While a service leads, the phone is unlinked through it; and with the keys, which go last.
    for account in here.linked if unlinks else ():
        name = account.folder.name
        if not attempt(f"the link of {name}", lambda name=name: with_known_device(name, unlinked)):
            kept.add(name)
    for path in here.services:
        attempt(f"the service {path.stem}", lambda path=path: remove_service(name=path.stem))
    entries = [
        each
        for each in here.hosts
        if not attempt(f"{each.name} in {each.host.title}", lambda each=each: _take_out(each))
    ]
    for model in here.models:
        attempt(f"the model {model}", lambda model=model: _delete_model(here.home, model))
    for account in here.accounts if deletes else ():
        if (name := account.folder.name) not in kept:
            attempt(f"the account {name}", lambda account=account: _delete(account, unlinks))
    # An entry that only a person can take out does not hold up the rest.
    if deletes and failures == len(entries):
        attempt(f"what this program made in {here.home}", lambda: _delete_home(here.home))
    for each in entries:
        typer.echo(f"{each.host.title} still has {each.name} in {each.path}: remove it by hand.", err=True)
    return failures == 0


def _take_out(entry: Found) -> None:
    from whatsapp_mcp.cli.hosts import Machine, to_undo

    step = to_undo(entry.host, entry.name, Machine.here())
    if step is not None:
        step.apply()


def _delete_model(home: Path, name: str) -> None:
    """Delete a model of speech, with what is left of a download.

    Raises:
        OSError: It cannot be deleted.
    """
    for folder in (f"{_MODEL}{name}", f".{_MODEL}{name}.part", f".{_MODEL}{name}.old"):
        if (path := home / "models" / folder).is_dir():
            shutil.rmtree(path)


def _delete(account: _Account, unlinks: bool) -> None:
    """Delete an account's folder.

    Raises:
        Busy: A server of it runs.
        OSError: It cannot be deleted.
    """
    from whatsapp_mcp.device.leader import LeaderLock
    from whatsapp_mcp.models import LINKED_DEVICES

    lock = LeaderLock(account.folder)
    if not lock.acquire():
        raise Busy(
            f"A server of {account.folder.name} is running (process {lock.holder()}).",
            "End the applications that use whatsapp-mcp, then run this again.",
        )
    # Windows deletes no file that is open.
    lock.release()
    is_encrypted = account.folder.vault.exists
    shutil.rmtree(account.folder.path)
    if is_encrypted:
        typer.echo(f"The key of {account.folder.name} stays where it is kept.", err=True)
    if account.is_linked and not unlinks:
        typer.echo(f"The phone still lists it: {LINKED_DEVICES} removes it there.", err=True)


def _delete_home(home: Path) -> None:
    """Delete what is left of this program in its home, and that if nothing else is in it.

    The settings were loaded from `config.toml` there, so that it is ours.

    Raises:
        OSError: Something cannot be deleted.
    """
    from whatsapp_mcp.server.transports import Tokens

    tokens = Tokens(home)
    for name in {token.name for token in tokens.all()}:
        tokens.revoke(name)
    for name in _FILES:
        (home / name).unlink(missing_ok=True)
    left: list[str] = []
    for path in sorted(home.iterdir()):
        inside = sorted(path.iterdir()) if path.name in _FOLDERS and _is_folder(path) else [path]
        left += [str(each.relative_to(home)) for each in inside]
        if not inside:
            path.rmdir()
    if left:
        typer.echo(f"{home} stays, for it holds {', '.join(left)}.", err=True)
    else:
        home.rmdir()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
