"""Every command but `serve`'s fast path, as Typer sees them: options in, exit code out."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, TypeVar

import anyio
import typer
from rich.console import Console
from rich.markup import escape

from whatsapp_mcp import __version__, settings
from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.cli import INTERRUPTED
from whatsapp_mcp.cli import archive as archive_commands
from whatsapp_mcp.cli.client_config import Application, Launch, snippet
from whatsapp_mcp.cli.doctor import examine
from whatsapp_mcp.cli.link import link as link_phone
from whatsapp_mcp.cli.options import Account, AsJson, known_account
from whatsapp_mcp.cli.report import BriefFormatter, JsonReport, TerminalReport, print_error
from whatsapp_mcp.cli.status import as_json as status_json
from whatsapp_mcp.cli.status import settled_status, unlinked_status
from whatsapp_mcp.cli.status import show as show_status
from whatsapp_mcp.device.protocol import Devices
from whatsapp_mcp.errors import NotLinked, WhatsAppError
from whatsapp_mcp.jid import parse_number
from whatsapp_mcp.models import ConnectionState, ConnectionStatus
from whatsapp_mcp.redaction import RedactingFormatter, set_levels

T = TypeVar("T")

app = typer.Typer(
    name="whatsapp-mcp",
    help="Let an LLM agent use your WhatsApp. Without a command it serves MCP over stdio.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(archive_commands.app, name="archive")
console = Console(stderr=True, highlight=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"whatsapp-mcp {__version__}")
        raise typer.Exit


@app.callback()
def _options(  # pyright: ignore[reportUnusedFunction]
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Let an LLM agent use your WhatsApp. Without a command it serves MCP over stdio."""


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def serve(context: typer.Context) -> None:
    """Serve MCP; `serve --help` lists its options."""
    from whatsapp_mcp.cli import serve as fast

    raise typer.Exit(fast.serve(context.args))


@app.command()
def link(
    phone: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Your own number (+49…): type a code on the phone instead."),
    ] = None,
    as_json: AsJson = False,
    account: Account = "default",
) -> None:
    """Link your phone, then wait until its history has come."""
    report = JsonReport(sys.stdout) if as_json else TerminalReport(console)
    with report:
        try:
            if phone is not None:
                parse_number(phone)  # nothing is made for a number that is none
            linked = _with_device(
                account, lambda devices, archive: link_phone(devices, archive, phone, report)
            )
        except WhatsAppError as error:
            report.failed(error)
            linked = False
        except KeyboardInterrupt:
            report.interrupted()
            raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(0 if linked else 1)


@app.command()
def unlink(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    account: Account = "default",
) -> None:
    """Log this device out of WhatsApp and forget its keys; the archive stays."""
    if not yes and sys.stdin.isatty():
        typer.confirm("Unlink this device? Linking it again needs the phone.", abort=True, err=True)

    async def run(devices: Devices, _: ReadingArchive) -> None:
        await settled_status(devices)
        async with devices.use() as device:
            await device.unlink()

    _or_exit(lambda: _with_known_device(account, run))
    console.print("Unlinked. The archive of your messages stays where it is.")


@app.command()
def status(as_json: AsJson = False, account: Account = "default") -> None:
    """Tell how the link to WhatsApp is, and what to do."""
    home = str(_or_exit(settings.load).home)
    found = _or_exit(lambda: _status_of(account))
    if as_json:
        typer.echo(status_json(found, home))
    else:
        show_status(found, home, Console(highlight=False))


@app.command()
def reconnect(account: Account = "default") -> None:
    """Connect anew at once, as after another client took the session; then tell how the link is."""

    async def run(devices: Devices, _: ReadingArchive) -> ConnectionStatus:
        await settled_status(devices)
        async with devices.use() as device:
            await device.reconnect()
        return await settled_status(devices)

    home = str(_or_exit(settings.load).home)
    found = _or_exit(lambda: _with_known_device(account, run))
    show_status(found, home, Console(highlight=False))
    raise typer.Exit(0 if found.state is ConnectionState.ONLINE else 1)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check the installation; asks nobody outside this machine."""
    findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        out = Console(highlight=False)
        for finding in findings:
            mark = "[green]ok  [/green]" if finding.ok else "[red]FAIL[/red]"
            out.print(f"{mark} {finding.name}: {escape(finding.detail)}", soft_wrap=True)
            if finding.action:
                out.print(f"     {escape(finding.action)}", soft_wrap=True)
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


@app.command()
def demo(
    stdio: Annotated[bool, typer.Option("--stdio", help="Then serve MCP over stdio, not HTTP.")] = False,
    once: Annotated[bool, typer.Option("--once", help="End after the main job; serve nothing.")] = False,
) -> None:
    """Show the main job on a WhatsApp of its own on this machine; needs no phone."""
    from whatsapp_mcp.cli.demo import run_demo

    raise typer.Exit(run_demo(stdio=stdio, once=once))


@app.command("client-config")
def client_config(
    application: Annotated[
        Application,
        typer.Argument(metavar="APPLICATION", show_choices=False, help=f"One of {', '.join(Application)}."),
    ],
    account: Account = "default",
) -> None:
    """Print what makes an MCP application start this server."""
    _or_exit(lambda: settings.load().account_folder(account))
    found = snippet(application, Launch.here(account))
    console.print(found.where, markup=False, soft_wrap=True)
    typer.echo(found.text)


def _status_of(account: str) -> ConnectionStatus:
    try:
        return _with_known_device(account, lambda devices, _: settled_status(devices))
    except NotLinked as error:
        return unlinked_status(account, error)


def _with_known_device(account: str, use: Callable[[Devices, ReadingArchive], Awaitable[T]]) -> T:
    known_account(account)
    return _with_device(account, use)


def _with_device(account: str, use: Callable[[Devices, ReadingArchive], Awaitable[T]]) -> T:
    """Run `use` with the account's device and archive, hosted here or by the server that hosts it already."""
    from whatsapp_mcp.device.background import background_tasks
    from whatsapp_mcp.device.runtime import open_device

    loaded = settings.load()
    _log_to_stderr(loaded.log_level)
    outcome: list[T] = []

    async def run() -> None:
        with anyio.CancelScope() as scope:
            async with background_tasks() as tasks:
                tasks.start_soon(_cancel_on_interrupt, scope)
                async with open_device(loaded, account) as (devices, archive):
                    outcome.append(await use(devices, archive))

    anyio.run(run)
    if not outcome:
        raise KeyboardInterrupt
    return outcome[0]


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    formatter = RedactingFormatter if level == "debug" else BriefFormatter
    handler.setFormatter(formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    set_levels(level)


async def _cancel_on_interrupt(scope: anyio.CancelScope) -> None:
    """Let Ctrl-C cancel the scope: asyncio's own way cancels once, and a wait that just ends can miss it."""
    if sys.platform == "win32":
        return
    with anyio.open_signal_receiver(signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()


def _or_exit(act: Callable[[], T]) -> T:
    try:
        return act()
    except WhatsAppError as error:
        print_error(console, error)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
