"""`whatsapp-mcp-fleet fleet …`: what operators do with the database of a fleet, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import anyio
import typer

from whatsapp_fleet.cli.loading import loaded_settings
from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.options import AsJson, agreed
from whatsapp_mcp.cli.outcome import aligned
from whatsapp_mcp.errors import Busy, InvalidArgument, cause
from whatsapp_mcp.text.choices import SCOPES

if TYPE_CHECKING:
    from whatsapp_fleet.node import Administration
    from whatsapp_mcp.device.operations import Devices

T = TypeVar("T")
EVERY: Final = "all"
"""The value that stands for every account."""

app = App(no_args_is_help=True)
Account = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")]
Principal = Annotated[str, typer.Argument(metavar="NAME", help="Name of the principal.")]
Accounts = Annotated[
    str, typer.Option("--accounts", metavar="NAMES", help=f"Comma-separated; {EVERY} for operators.")
]
Limit = Annotated[
    int | None, typer.Option("--calls-per-minute", min=1, help="Requests a minute (default: no own limit).")
]
SettingsFile = Annotated[Path, typer.Argument(metavar="FILE", help="TOML; - reads standard input.")]


@app.command()
def nodes(as_json: AsJson = False) -> None:
    """List the nodes that run."""
    answer = _done(lambda admin: admin.nodes())
    table = [
        (one["node"], f"{one['accounts']}/{one['capacity']}", _yes(one["draining"]), one["since"])
        for one in answer["nodes"]
    ]
    _show(answer, ("NODE", "ACCOUNTS", "DRAINING", "SINCE"), table, as_json=as_json)


@app.command("drain-node")
def drain_node(node: Annotated[str, typer.Argument(metavar="NODE", help="Name of the node.")]) -> None:
    """Give the accounts of a node to the others.

    It takes none until it is started again.
    """
    _done(lambda admin: admin.drain_node(node))
    typer.echo(f"{node} gives its accounts up.", err=True)


@app.command("accounts")
def list_accounts(as_json: AsJson = False) -> None:
    """List the accounts, and who leads each."""
    answer = _done(lambda admin: admin.accounts())
    table = [
        (one["name"], one["state"], one["leader"] or "nobody", str(one["epoch"]), str(one["failures"]),
         one["reason"])
        for one in answer["accounts"]
    ]  # fmt: skip
    _show(answer, ("NAME", "STATE", "LEADER", "EPOCH", "FAILURES", "REASON"), table, as_json=as_json)


@app.command()
def create(
    name: Account, text: Annotated[Path | None, typer.Option("--settings", metavar="FILE")] = None
) -> None:
    """Make an account, to be linked next."""
    _done(lambda admin: admin.create(name, "" if text is None else _text(text)))
    typer.echo(f"Made {name}. A node leads it within seconds; then link its phone.", err=True)


@app.command("settings")
def change_settings(name: Account, text: SettingsFile) -> None:
    """Replace the settings of an account."""
    _done(lambda admin: admin.change_settings(name, _text(text)))
    typer.echo(f"The settings of {name} are in force within seconds.", err=True)


@app.command()
def quarantine(
    name: Account, reason: Annotated[str, typer.Argument(metavar="REASON", help="For other operators.")]
) -> None:
    """Let no node lead an account."""
    _done(lambda admin: admin.quarantine(name, reason))
    typer.echo(f"{name} is led by nobody until `whatsapp-mcp-fleet fleet release {name}`.", err=True)


@app.command()
def drain(name: Account) -> None:
    """Let an account finish and give it up."""
    _done(lambda admin: admin.drain(name))
    typer.echo(f"{name} is given up, until `whatsapp-mcp-fleet fleet release {name}`.", err=True)


@app.command()
def release(name: Account) -> None:
    """Let nodes lead an account again."""
    _done(lambda admin: admin.release(name))
    typer.echo(f"{name} may be led.", err=True)


@app.command()
def forget(
    name: Account, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Delete everything of an account.

    Keys, messages, ledger, files, settings and login. The phone is not told: unlink it first, or remove the
    device there.
    """
    agreed(f"Delete everything of {name} from the database and from every node?", yes=yes)
    _done(lambda admin: admin.remove(name, keep_linked=True))
    typer.echo(f"Nothing of {name} is left in the database. Nodes delete their copies.", err=True)


@app.command()
def principals(as_json: AsJson = False) -> None:
    """List who may use accounts."""
    answer = _done(lambda admin: admin.principals())
    table = [
        (one["name"], ",".join(one["scopes"]), _named(one["accounts"]), str(one["calls_per_minute"] or "-"),
         one["revoked_at"] or "never")
        for one in answer["principals"]
    ]  # fmt: skip
    _show(answer, ("NAME", "SCOPES", "ACCOUNTS", "CALLS A MINUTE", "REVOKED"), table, as_json=as_json)


@app.command()
def admit(
    name: Principal,
    accounts: Accounts,
    scope: Annotated[
        str, typer.Option("--scope", metavar="SCOPES", help=f"Comma-separated, of {', '.join(SCOPES)}.")
    ] = "read",
    calls_per_minute: Limit = None,
) -> None:
    """Let somebody use accounts; print the token.

    It is stored as a hash, so it cannot be shown again. A name oauth:SUBJECT is a user of the OAuth issuer,
    who has no token here.
    """
    from whatsapp_mcp.policy import parse_scopes

    scopes, only = parse_scopes(scope), _only(accounts)
    made = _done(lambda admin: admin.create_principal(name, scopes, only, calls_per_minute))
    typer.echo(made["token"] or f"{name} is admitted with tokens of the issuer.", err=made["token"] is None)


@app.command("limit")
def change(name: Principal, accounts: Accounts, calls_per_minute: Limit = None) -> None:
    """Change what a principal may use."""
    only = _only(accounts)
    _done(lambda admin: admin.change_principal(name, only, calls_per_minute))
    typer.echo(f"{name} is changed at every replica within a second.", err=True)


@app.command()
def revoke(name: Principal) -> None:
    """Let a principal do nothing any more."""
    _done(lambda admin: admin.revoke_principal(name))
    typer.echo(f"{name} is refused by every replica within a second.", err=True)


def _done(act: Callable[[Administration], Coroutine[Any, Any, T]]) -> T:
    """Run an action of the administration and return its answer."""
    loaded = loaded_settings()
    from whatsapp_fleet.node import Administration, database_of

    administration = Administration(database_of(loaded), loaded.home, _no_leader)

    async def done() -> T:
        await administration.prepare()
        return await act(administration)

    return anyio.run(done)


def _no_leader(account: str) -> Devices:
    raise Busy(f"This command reaches no leader of {account}.", "Use the admin API of a replica.")


def _text(path: Path) -> str:
    try:
        return typer.get_text_stream("stdin").read() if str(path) == "-" else path.read_text("utf-8")
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read: {cause(error)}.", "Name a TOML file.") from error


def _only(accounts: str) -> list[str] | None:
    return None if accounts == EVERY else [each.strip() for each in accounts.split(",") if each.strip()]


def _named(accounts: list[str] | None) -> str:
    return EVERY if accounts is None else ",".join(accounts) or "none"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _show(answer: Any, head: tuple[str, ...], table: Sequence[tuple[str, ...]], *, as_json: bool) -> None:
    typer.echo(json.dumps(answer, ensure_ascii=False) if as_json else aligned([head, *table]))
