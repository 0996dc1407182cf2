"""`whatsapp-mcp install` and `client-config`: what a person types to connect a host."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.hosts.host import Host
from whatsapp_mcp.cli.hosts.launch import Launch, Machine, server_name
from whatsapp_mcp.cli.hosts.steps import Snippet, http_snippet, snippet
from whatsapp_mcp.cli.hosts.table import known_hosts
from whatsapp_mcp.cli.options import AnyAccount, account_names, agreed, known_account
from whatsapp_mcp.cli.outcome import for_account
from whatsapp_mcp.errors import NotLinked, Unsupported, WhatsAppError

if TYPE_CHECKING:
    from whatsapp_mcp.cli.hosts.steps import Step

app = App()
_NAMES = {host.name: host for host in known_hosts()}


def host_named(text: str) -> Host:
    """The host of this name.

    Raises:
        typer.BadParameter: There is none.
    """
    if text in _NAMES:
        return _NAMES[text]
    begun = [name for name in _NAMES if name.startswith(f"{text.lower()}-")]
    near = begun or difflib.get_close_matches(text.lower(), _NAMES, n=1)
    if near:
        raise typer.BadParameter(f"{text!r} is no application known here. Did you mean {' or '.join(near)}?")
    raise typer.BadParameter(f"{text!r} is not one of {', '.join(map(repr, _NAMES))}.")


HostArgument = Annotated[
    Host,
    typer.Argument(
        parser=host_named,
        metavar="HOST",
        autocompletion=lambda: [*_NAMES],
        help=f"One of {', '.join(_NAMES)}.",
    ),
]


@app.command()
def install(
    host: HostArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    account: AnyAccount = None,
) -> None:
    """Let an MCP application start this server.

    Shows what it changes and asks first. Where it cannot do that safely, it prints what to paste and fails.
    """
    from whatsapp_mcp.cli.hosts.steps import to_install

    _check(account)
    machine, name = Machine.here(), server_name(account)
    if undo:
        _undo(host, name, machine, yes=yes)
        return
    launch = Launch.here(account)
    try:
        step = to_install(host, launch, name, machine)
    except Unsupported:
        _print(_snippet(host, launch, name, machine))
        _say_how_to_link(account)
        raise
    if step is None:
        typer.echo(f"{host.title} starts this server already.", err=True)
    else:
        _agree(step, yes=yes)
        step.apply()
        typer.echo(f"{host.title} starts this server from now on. {host.afterwards}", err=True)
    _say_how_to_link(account)


def _check(account: str | None) -> None:
    """Check that the settings and the account's name can be used.

    Raises:
        InvalidArgument: They cannot.
    """
    from whatsapp_mcp import settings

    loaded = settings.load()
    if account is not None:
        loaded.account_folder(account)


def _say_how_to_link(account: str | None) -> None:
    """The next step where no phone is linked; an account that cannot be read is the doctor's to tell of."""
    for name in [account] if account else account_names():
        if _is_linked(name) is False:
            what = for_account("Next: `whatsapp-mcp link`", name)
            typer.echo(f"No phone is linked as account {name} yet. {what}", err=True)


def _is_linked(account: str) -> bool | None:
    """Return whether a phone is linked; None if that cannot be read."""
    from whatsapp_mcp.device.leader import observed_status
    from whatsapp_mcp.models import ConnectionState

    try:
        status = anyio.run(observed_status, known_account(account))
    except NotLinked:
        return False
    except WhatsAppError:
        return None
    return status.state is not ConnectionState.UNLINKED


@app.command()
def client_config(
    host: HostArgument,
    http: Annotated[
        bool, typer.Option("--http", help="To reach a running HTTP server instead of starting one.")
    ] = False,
    account: AnyAccount = None,
) -> None:
    """Print an MCP application's configuration.

    The text to paste, or the command to run, so that it uses this server.
    """
    _check(account)
    machine, name = Machine.here(), server_name(account)
    _print(_snippet(host, Launch.here(account), name, machine, http=http))


def _undo(host: Host, name: str, machine: Machine, *, yes: bool) -> None:
    from whatsapp_mcp.cli.hosts.steps import to_undo

    try:
        step = to_undo(host, name, machine)
    except Unsupported as error:
        where = machine.file(host.files[machine.system]) if host.files else host.menu
        action = f"Take `{name}` out of {where or f'the settings of {host.title}'} by hand, if it is there."
        raise Unsupported(error.message, action) from error
    if step is None:
        typer.echo(f"{host.title} has no server named {name}.", err=True)
        return
    _agree(step, yes=yes)
    step.apply()
    typer.echo(f"{host.title} no longer starts this server. {host.afterwards}", err=True)


def _agree(step: Step, *, yes: bool) -> None:
    typer.echo(step.shown())
    agreed("Do this?", yes=yes)


def _snippet(host: Host, launch: Launch, name: str, machine: Machine, *, http: bool = False) -> Snippet:
    from whatsapp_mcp import settings

    if host.entry is not None and not http:
        return snippet(host, launch, name, machine)
    server = settings.load().server
    return http_snippet(host, name, machine, port=server.port, public=server.public_url)


def _print(what: Snippet) -> None:
    typer.echo(what.where, err=True)
    typer.echo(what.text)
