"""`whatsapp-mcp accounts …`, as a person types it."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Annotated

import typer

from whatsapp_mcp.cli.command_line import App, ListByDefault
from whatsapp_mcp.cli.options import AsJson, agreed, complete_account, known_account
from whatsapp_mcp.cli.terminal import aligned
from whatsapp_mcp.errors import InvalidArgument

app = App(cls=ListByDefault)
NewName = Annotated[str, typer.Argument(metavar="NAME", help="Local name of the account.")]
Name = Annotated[
    str,
    typer.Argument(metavar="NAME", autocompletion=complete_account, help="Local name of the account."),
]
RESTART = "Servers that run serve it after a restart."


@app.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """List the accounts.

    With number, state, size, and when each was last heard.
    """
    from whatsapp_mcp import settings
    from whatsapp_mcp.cli.accounts.overview import overview

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
    from whatsapp_mcp.cli.accounts.changes import changing, require_no_token

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
    from whatsapp_mcp.cli.accounts.changes import rename

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
    from whatsapp_mcp.cli.accounts.changes import remove, require_removable
    from whatsapp_mcp.cli.connection import find, unlinked, with_known_device
    from whatsapp_mcp.models import LINKED_DEVICES, ConnectionState

    finish_changes()
    folder = known_account(name)
    require_removable(settings.load(), folder)
    is_linked = find(name, wait=False).state is not ConnectionState.UNLINKED
    logs_out = is_linked and not keep_linked
    what = "Unlink it and delete" if logs_out else "Delete"
    agreed(f"{what} all messages, files and keys of {name}?", yes=yes)
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
    from whatsapp_mcp.cli.accounts.changes import finish

    for said in finish(settings.load()):
        typer.echo(said, err=True)


def say_who_names(name: str) -> None:
    """What still starts a server with the name of an account that is gone."""
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
