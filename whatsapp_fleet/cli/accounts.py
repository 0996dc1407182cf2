"""`whatsapp-mcp-fleet accounts …`: those commands of `whatsapp-mcp`, and the way into a database and back."""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from whatsapp_fleet.cli.loading import loaded_settings
from whatsapp_mcp.cli.accounts import RESTART, Name, finish_changes, say_who_names
from whatsapp_mcp.cli.accounts import app as single
from whatsapp_mcp.cli.command_line import App, ListByDefault
from whatsapp_mcp.cli.options import known_account
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.settings import check_new_name

app = App(cls=ListByDefault)
app.registered_commands += single.registered_commands


@app.command("move")
def move_account(
    name: Name,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="Into this database (postgres://…).")] = "",
    source: Annotated[
        str, typer.Option("--from", metavar="URL", help="From this database to this computer.")
    ] = "",
    allow_asynchronous: Annotated[
        bool, typer.Option("--allow-asynchronous", help="The database may lose what it confirms.")
    ] = False,
) -> None:
    """Move an account to a database, or back.

    The phone stays linked. No server of it may run here, and no node leads it meanwhile. If this is
    interrupted, run it again: the account is at one of the two places alone.
    """
    finish_changes()
    if bool(to) == bool(source):
        raise InvalidArgument("Say where to move it.", "Give either --to URL or --from URL.")
    loaded = loaded_settings()
    from whatsapp_fleet.cli import moving

    database = moving.database_at(to or source, loaded.node.files, allow_asynchronous=allow_asynchronous)
    if to:
        known_account(name)
        left = anyio.run(moving.move_to, loaded, name, database)
        typer.echo(f"{name} is in the database. What was here is in {left}, without its keys.", err=True)
        say_who_names(name)
    else:
        check_new_name(name)
        anyio.run(moving.move_from, loaded, name, database)
        typer.echo(f"{name} is here. {RESTART}", err=True)
