"""Every command, as Typer sees them: options in, exit code out. What a command needs it imports itself."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Annotated, ClassVar, Literal

import typer

from whatsapp_mcp import __version__
from whatsapp_mcp.cli.command_line import App, Commands, Later
from whatsapp_mcp.cli.options import (
    Account,
    AnyAccount,
    AsJson,
    account_names,
    complete_toolsets,
    end_of_length,
    known_account,
    port_number,
    the_account,
)
from whatsapp_mcp.cli.outcome import ExitCode, exit_code
from whatsapp_mcp.errors import InvalidArgument, NotConnected, WhatsAppError


def commands_of_features() -> list[Later]:
    """The commands of features."""
    from whatsapp_mcp.features.imports.commands import IMPORT
    from whatsapp_mcp.features.reading.command import VOICE
    from whatsapp_mcp.features.webhooks.command_line import WEBHOOKS

    commands: list[Later] = []
    commands.append(IMPORT)
    commands.append(VOICE)
    commands.append(WEBHOOKS)
    return commands


class AllCommands(Commands):
    """The commands of the whole program, those of features among them."""

    later: ClassVar[tuple[Later, ...]] = (*Commands.later, *commands_of_features())


app = App(
    name="whatsapp-mcp",
    cls=AllCommands,
    help="Let an LLM agent use your WhatsApp. Without a command it serves MCP over stdio.",
    epilog="Exit codes: 0; 1 not ready or failed; 2 usage or configuration; 130 interrupted.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"whatsapp-mcp {__version__}")
        raise typer.Exit


@app.callback()
def _options(  # pyright: ignore[reportUnusedFunction]
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


@app.command(epilog="Other commands: whatsapp-mcp --help")
def serve(
    transport: Annotated[
        Literal["stdio", "http", "sse"], typer.Option(help="http and sse are one server: /mcp and /sse.")
    ] = "stdio",
    host: Annotated[
        str | None, typer.Option(metavar="HOST", help="Address to listen on (default: 127.0.0.1).")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            parser=port_number, metavar="PORT", help="Port to listen on, 0 for a free one (default: 8808)."
        ),
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Require no bearer token; on loopback only.")
    ] = False,
    toolsets: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            autocompletion=complete_toolsets,
            help="Comma-separated sets of tools to offer.",
        ),
    ] = None,
    structured: Annotated[
        bool | None,
        typer.Option(
            "--structured",
            help="Return data with the text; some applications then show the model only the data.",
        ),
    ] = None,
    chat: Annotated[
        str,
        typer.Option(
            metavar="CHAT", help="Let every caller read and act in this chat alone: +number or jid."
        ),
    ] = "",
    channel: Annotated[
        str,
        typer.Option(metavar="CHAT", help="Push messages of a chat into Claude Code: self, +number or jid."),
    ] = "",
    account: AnyAccount = None,
) -> None:
    """Serve MCP over stdio or HTTP.

    This is also what whatsapp-mcp does without a command.
    """
    from whatsapp_mcp.cli import serve as server

    raise typer.Exit(
        server.serve(
            account=account,
            transport=transport,
            host=host,
            port=port,
            auth=not no_auth,
            toolsets=toolsets,
            structured=structured,
            chat=chat,
            channel=channel,
        )
    )


@app.command()
def link(
    phone: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Your own number (+49…): type a code on the phone instead."),
    ] = None,
    as_json: AsJson = False,
    account: AnyAccount = None,
) -> None:
    """Link your phone and wait for its history."""
    from rich.console import Console

    from whatsapp_mcp.cli.connection import JsonReport, TerminalReport, check, with_device
    from whatsapp_mcp.cli.connection import link as link_phone

    out = Console(stderr=True, highlight=False)
    refusal = None
    try:
        name = account or the_account()
    except InvalidArgument as error:
        name, refusal = "default", error
    with JsonReport(sys.stdout, name) if as_json else TerminalReport(out, name) as report:
        try:
            if refusal is not None:
                raise refusal  # to whoever reads the report: a program is told in JSON
            check(name, phone)
            report.begin()
            with_device(name, lambda devices, archive: link_phone(devices, archive, phone, report))
        except WhatsAppError as error:
            report.failed(error)
            raise typer.Exit(exit_code(error)) from None
        except KeyboardInterrupt:
            report.interrupted()
            raise typer.Exit(ExitCode.INTERRUPTED) from None


@app.command()
def unlink(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    account: Account = "",
) -> None:
    """Log out of WhatsApp; the archive is kept."""
    from whatsapp_mcp.cli.connection import unlinked, with_known_device

    known_account(account)
    if not yes and sys.stdin.isatty():
        typer.confirm("Unlink this device? Linking it again needs the phone.", abort=True, err=True)
    with_known_device(account, unlinked)
    typer.echo("Unlinked. The archive of your messages is kept.", err=True)


@app.command()
def status(
    wait: Annotated[
        bool, typer.Option("--wait", help="Connect if no server does, and wait for the result.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it as it changes, until Ctrl-C; it does not connect.")
    ] = False,
    as_json: AsJson = False,
    account: AnyAccount = None,
) -> None:
    """Show the state of the connection.

    And what to do. With no server running it reads the disk and does not connect.
    """
    from whatsapp_mcp.cli.connection import find, print_status, print_statuses
    from whatsapp_mcp.cli.connection import watch as watch_status

    if watch:
        watch_status(account or the_account(), as_json=as_json, out=sys.stdout)
    names = [account] if account else account_names()
    statuses = [find(name, wait=wait) for name in names]
    show = partial(print_status, statuses[0]) if len(statuses) == 1 else partial(print_statuses, statuses)
    raise typer.Exit(show(as_json=as_json))


@app.command()
def logs(
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    account: Account = "",
) -> None:
    """Show what servers and the client logged.

    In the order of time. It holds no message text. On a terminal each level has its colour.
    """
    from whatsapp_mcp.cli.connection import show_log

    show_log(account, lines, follow=follow, out=sys.stdout)


@app.command()
def reconnect(account: Account = "") -> None:
    """Reconnect now.

    Needed after another client took over the session.
    """
    from whatsapp_mcp.cli.connection import print_status, reconnected, with_known_device

    raise typer.Exit(print_status(with_known_device(account, reconnected)))


@app.command()
def pause(
    until: Annotated[
        datetime | None,
        typer.Option(
            "--for",
            parser=end_of_length,
            metavar="LENGTH",
            help="Resume automatically after 30m, 2h, 3d … (default: at `resume`).",
        ),
    ] = None,
    as_json: AsJson = False,
    account: Account = "",
) -> None:
    """Close the connection for a while.

    Sends are queued. A server that starts during the pause does not connect.
    """
    from whatsapp_mcp.cli.connection import paused, print_status

    print_status(paused(account, until), as_json=as_json)


@app.command()
def resume(as_json: AsJson = False, account: Account = "") -> None:
    """End a pause.

    A running server connects at once, otherwise the next one does.
    """
    from whatsapp_mcp.cli.connection import print_status, resumed

    print_status(resumed(account), as_json=as_json)


@app.command()
def audit(
    since: Annotated[
        str, typer.Option(metavar="TIME", help="From when on: a date, or an age like 6h, 3d, 2w.")
    ] = "1d",
    verify: Annotated[
        bool, typer.Option("--verify", help="Look for rows that were changed or taken out.")
    ] = False,
    as_json: AsJson = False,
    account: Account = "",
) -> None:
    """Show what agents did and read.

    With --verify it fails if the record was changed.
    """
    from whatsapp_mcp.cli.audit import tell

    raise typer.Exit(ExitCode.FAILED if tell(account, since, verify=verify, as_json=as_json) else ExitCode.OK)


@app.command()
def doctor(
    online: Annotated[
        bool, typer.Option("--online", help="Also ask WhatsApp's servers, through the proxy if one is set.")
    ] = False,
    bundle: Annotated[
        bool, typer.Option("--bundle", help="Show a report for an issue, then write it to a file.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write the report without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check installation, computer and accounts.

    Without --online nothing is asked over the network. The report of --bundle holds no message, name, number,
    token, key or path of yours.
    """
    from whatsapp_mcp.cli.doctor import run

    raise typer.Exit(run(online=online, bundle=bundle, yes=yes, as_json=as_json))


@app.command()
def demo(
    stdio: Annotated[bool, typer.Option("--stdio", help="Serve MCP over stdio, not HTTP.")] = False,
    once: Annotated[bool, typer.Option("--once", help="End after the main job; serve nothing.")] = False,
) -> None:
    """Run a demonstration without a phone.

    WhatsApp is simulated on this machine, with invented people.
    """
    from whatsapp_mcp.cli.demo import run_demo

    raise typer.Exit(run_demo(stdio=stdio, once=once))


@app.command()
def page(account: AnyAccount = None) -> None:
    """Print a login URL for the web pages.

    Of the running HTTP server. It is valid once, for ten minutes.
    """
    from whatsapp_mcp.server.transports import login_url

    names = [account] if account else account_names()
    # One server has the pages of all its accounts; some may have none that runs.
    for name in names[:-1]:
        with suppress(NotConnected):
            typer.echo(login_url(known_account(name)))
            return
    typer.echo(login_url(known_account(names[-1])))


@app.command()
def approve(
    number: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One question (default: each, one after the other).")
    ] = None,
    yes: Annotated[bool | None, typer.Option("--yes/--no", "-y/-n", help="Answer without asking.")] = None,
    only_list: Annotated[bool, typer.Option("--list", help="Only list what waits.")] = False,
    as_json: AsJson = False,
    account: Account = "",
) -> None:
    """Answer what waits for your approval.

    Shows recipient, text and reason, then asks. The first answer counts, here, on the phone or on the page.
    """
    from whatsapp_mcp.cli import agents

    raise typer.Exit(agents.approve(account, number, yes, only_list=only_list, as_json=as_json))


@app.command()
def exposures(
    clear: Annotated[
        str | None, typer.Option(metavar="PRINCIPAL", help="Forget what was handed out to this one.")
    ] = None,
    clear_all: Annotated[bool, typer.Option("--clear-all", help="Forget all.")] = False,
    as_json: AsJson = False,
    account: Account = "",
) -> None:
    """Show who was given strangers' words.

    It is remembered for 24 hours after the last call of each application, or until you clear it.
    """
    from whatsapp_mcp.cli import agents

    agents.exposures(account, clear, clear_all=clear_all, as_json=as_json)
