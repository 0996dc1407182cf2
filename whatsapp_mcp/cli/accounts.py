"""`whatsapp-mcp accounts`: the accounts of this home, what they are called, and their removal.

For the list nothing is led, connected or written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whatsapp_mcp.cli.command_line import App, ListByDefault
from whatsapp_mcp.cli.options import AsJson, agreed, complete_account, known_account
from whatsapp_mcp.cli.outcome import aligned, rfc3339
from whatsapp_mcp.errors import InvalidArgument

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from whatsapp_mcp.models import ConnectionState
    from whatsapp_mcp.settings import Settings

RESTART = "Servers that run serve it after a restart."


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account.

    Attributes:
        number: Of the phone that is linked.
        size: Bytes of all its files.
        last_heard: The last event from WhatsApp; None where no server runs, or none has come.
    """

    name: str
    number: str | None
    state: ConnectionState
    size: int
    last_heard: datetime | None

    def to_json(self) -> dict[str, Any]:
        """Return the account as JSON, for programs."""
        return {
            "name": self.name,
            "number": self.number,
            "state": self.state.value,
            "size": self.size,
            "last_heard": rfc3339(self.last_heard) if self.last_heard else None,
        }

    def to_cells(self) -> tuple[str, ...]:
        """Return the account as the cells of a table, for a person."""
        heard = self.last_heard.astimezone().strftime("%Y-%m-%d %H:%M") if self.last_heard else "–"
        return self.name, self.number or "–", self.state.value, f"{self.size / 1e6:,.1f} MB", heard


def overview(loaded: Settings) -> list[AccountRow]:
    """Every account of the home, by name."""
    from whatsapp_mcp.cli.connection import find

    rows: list[AccountRow] = []
    for name in loaded.accounts():
        status = find(name, wait=False)
        size = size_of(loaded.account_folder(name).path)
        rows.append(AccountRow(name, status.number, status.state, size, status.last_event_at))
    return rows


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder; what goes meanwhile counts as nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if path.is_file() and not path.is_symlink() else 0
        except FileNotFoundError:
            continue
    return total


app = App(cls=ListByDefault)
NewName = Annotated[str, typer.Argument(metavar="NAME", help="Local name of the account.")]
Name = Annotated[
    str,
    typer.Argument(metavar="NAME", autocompletion=complete_account, help="Local name of the account."),
]


@app.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """List the accounts.

    With number, state, size, and when each was last heard.
    """
    from whatsapp_mcp import settings

    finish_changes()
    rows = overview(settings.load())
    if as_json:
        typer.echo(json.dumps({"accounts": [row.to_json() for row in rows]}, ensure_ascii=False))
    elif rows:
        table = [("NAME", "NUMBER", "STATE", "SIZE", "LAST HEARD")]
        typer.echo(aligned([*table, *(row.to_cells() for row in rows)]))
    else:
        typer.echo("There is no account yet: run `whatsapp-mcp link`.")


@app.command()
def add(name: NewName) -> None:
    """Add an account, to be linked next."""
    from whatsapp_mcp import settings
    from whatsapp_mcp.cli.account_changes import changing, require_no_token

    settings.check_new_name(name)
    finish_changes()
    loaded = settings.load()
    folder = loaded.account_folder(name)
    with changing(loaded.home):
        if folder.path.exists():
            raise InvalidArgument(f"There is an account {name} already.", "Choose another name.")
        require_no_token(loaded, name)
        folder.create()
    typer.echo(f"Added {name}. Next: `whatsapp-mcp link --account {name}`. {RESTART}", err=True)


@app.command("rename")
def rename_account(
    old: Annotated[str, typer.Argument(metavar="OLD", autocompletion=complete_account, help="Its name now.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its name from now on.")],
) -> None:
    """Give an account another local name.

    Its settings and the tokens that are limited to it go with it. No server of it may run.
    """
    from whatsapp_mcp import settings
    from whatsapp_mcp.cli.account_changes import rename

    settings.check_new_name(new)
    finish_changes()
    known_account(old)
    rename(settings.load(), old, new)
    typer.echo(f"{old} is now {new}. {RESTART}", err=True)
    say_who_names(old)


@app.command("remove")
def remove_account(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    keep_linked: Annotated[
        bool, typer.Option("--keep-linked", help="Do not log out of WhatsApp first.")
    ] = False,
) -> None:
    """Unlink an account and delete its messages.

    All of it that is here: keys, messages, files, its settings. No server of it may run.
    """
    from whatsapp_mcp import settings
    from whatsapp_mcp.cli.account_changes import remove, require_removable
    from whatsapp_mcp.cli.connection import find, unlinked, with_known_device
    from whatsapp_mcp.models import LINKED_DEVICES, ConnectionState

    finish_changes()
    folder = known_account(name)
    require_removable(settings.load(), folder)
    is_linked = find(name, wait=False).state is not ConnectionState.UNLINKED
    logs_out = is_linked and not keep_linked
    what = "Unlink it and delete" if logs_out else "Delete"
    agreed(f"{what} all messages, files and keys of {name}?", yes=yes)
    # While the keys are here: without them this device cannot log out.
    if logs_out:
        with_known_device(name, unlinked)
    remove(settings.load(), name)
    typer.echo(f"Removed {name}.", err=True)
    if is_linked and keep_linked:
        typer.echo(f"The phone still lists it: {LINKED_DEVICES} removes it there.", err=True)
    say_who_names(name)


def finish_changes() -> None:
    """Complete or undo a change that was interrupted, and say so."""
    from whatsapp_mcp import settings
    from whatsapp_mcp.cli.account_changes import finish

    for said in finish(settings.load()):
        typer.echo(said, err=True)


def say_who_names(name: str) -> None:
    """Print which applications and services still start a server with a removed account's name."""
    from whatsapp_mcp.cli.hosts import Machine, found
    from whatsapp_mcp.cli.service import services_of

    for each in found(Machine.here()):
        args = each.launch.args
        if ("--account", name) in pairwise(args) or f"--account={name}" in args:
            typer.echo(
                f"{each.host.title} still starts {name}: change or remove {each.name} in {each.path}.",
                err=True,
            )
    for path in services_of(name):
        typer.echo(
            f"The service {path.stem} still starts {name}: "
            f"`whatsapp-mcp service uninstall --name {path.stem}` removes it.",
            err=True,
        )
