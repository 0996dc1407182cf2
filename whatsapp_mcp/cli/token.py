"""`whatsapp-mcp token`: the bearer tokens with which applications use the HTTP server."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.options import AsJson, complete_accounts, complete_scopes, known_account
from whatsapp_mcp.cli.outcome import aligned, rfc3339
from whatsapp_mcp.text.choices import SCOPES

if TYPE_CHECKING:
    from whatsapp_mcp.server.transports import Tokens

app = App(
    epilog="Changes take effect at once, also in running servers.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the token.")]


def _tokens() -> Tokens:
    from whatsapp_mcp import settings
    from whatsapp_mcp.server.transports import Tokens

    return Tokens(settings.load().home)


@app.command()
def create(
    name: Name,
    scope: Annotated[
        str,
        typer.Option(
            "--scope",
            metavar="SCOPES",
            autocompletion=complete_scopes,
            help=f"Comma-separated, of {', '.join(SCOPES)}.",
        ),
    ] = "read",
    accounts: Annotated[
        str | None,
        typer.Option(
            "--accounts",
            metavar="NAMES",
            autocompletion=complete_accounts,
            help="Comma-separated accounts, of several here.",
        ),
    ] = None,
) -> None:
    """Create a token and print it.

    It is stored as a hash, so it cannot be shown again. With --accounts it never learns of the others.
    """
    from whatsapp_mcp.policy import parse_scopes

    only = None if accounts is None else {known_account(each.strip()).name for each in accounts.split(",")}
    typer.echo(_tokens().create(name, parse_scopes(scope), only))


@app.command("list")
def list_tokens(as_json: AsJson = False) -> None:
    """List the tokens.

    With their scopes and accounts, when they were created and last used.
    """
    tokens = _tokens().all()
    if as_json:
        rows = [
            {
                "name": token.name,
                "scopes": sorted(token.scopes, key=list[str](SCOPES).index),
                "accounts": None if token.accounts is None else sorted(token.accounts),
                "created": _time(token.created),
                "last_used": _time(token.last_used),
            }
            for token in tokens
        ]
        typer.echo(json.dumps({"tokens": rows}, ensure_ascii=False))
        return
    table = [("NAME", "SCOPES", "ACCOUNTS", "CREATED", "LAST USED")]
    for token in tokens:
        scopes = ",".join(sorted(token.scopes, key=list[str](SCOPES).index))
        accounts = "all" if token.accounts is None else ",".join(sorted(token.accounts)) or "none"
        created, used = _time(token.created) or "unknown", _time(token.last_used) or "never"
        table.append((token.name, scopes, accounts, created, used))
    typer.echo(aligned(table))


@app.command()
def revoke(name: Name) -> None:
    """Revoke a token.

    The next request with it is refused.
    """
    _tokens().revoke(name)
    typer.echo(f"The token {name} is revoked.", err=True)


def _time(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None
