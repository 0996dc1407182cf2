"""`whatsapp-mcp archive …`: look after what was said, take it out, bring it in, delete it.

What writes needs the account for itself: it takes the host's lock and refuses while a server holds it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

import anyio
import typer
from rich.console import Console

from whatsapp_mcp import settings
from whatsapp_mcp.archive import Archive, MessageFilter, ReadingArchive, export, open_archive
from whatsapp_mcp.archive.query import day
from whatsapp_mcp.cli.report import print_error
from whatsapp_mcp.errors import AmbiguousChat, Busy, ChatNotFound, InvalidArgument, WhatsAppError

T = TypeVar("T")

app = typer.Typer(help="Check, export, import and purge the archive of your messages.", no_args_is_help=True)

Account = Annotated[str, typer.Option(metavar="NAME", help="Local name of the WhatsApp account.")]
Chat = Annotated[str | None, typer.Option(metavar="CHAT", help="Number, jid or name of the chat.")]


class Form(StrEnum):
    """What an export is written as."""

    JSONL = "jsonl"
    TEXT = "text"
    HTML = "html"


@app.command()
def stats(account: Account = "default") -> None:
    """Tell how much is archived."""
    found = _read(account, lambda archive: archive.statistics())
    typer.echo(
        f"{found.messages} messages in {found.chats} chats, {found.contacts} contacts, {found.media} files"
    )
    if found.first and found.last:
        typer.echo(f"from {found.first:%Y-%m-%d} to {found.last:%Y-%m-%d}, {found.bytes / 1e6:.1f} MB")
    if found.undecoded:
        typer.echo(f"{found.undecoded} events cannot be decoded; try `archive redecode` after an upgrade")


@app.command()
def check(account: Account = "default") -> None:
    """Check files and search index; exit code 1 when something is wrong."""
    faults = _write(account, lambda archive: archive.check())
    for fault in faults:
        typer.echo(fault)
    if faults:
        raise typer.Exit(1)
    typer.echo("The archive is whole.")


@app.command()
def optimize(account: Account = "default") -> None:
    """Pack the search index and the file."""
    _write(account, lambda archive: archive.optimize())


@app.command()
def rebuild(account: Account = "default") -> None:
    """Build the search index anew from the messages."""
    _write(account, lambda archive: archive.rebuild())


@app.command()
def redecode(account: Account = "default") -> None:
    """Decode again what an older version could not."""
    typer.echo(f"{_write(account, lambda archive: archive.redecode())} messages and events became known.")


@app.command("export")
def export_messages(
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    form: Annotated[
        Form, typer.Option("--format", help="For programs, for reading, or a page with media.")
    ] = Form.JSONL,
    chat: Chat = None,
    account: Account = "default",
) -> None:
    """Write messages to a file, oldest first."""
    loaded = _loaded()
    media = loaded.account_folder(account).media

    async def run(archive: ReadingArchive) -> int:
        where = MessageFilter(chat=await _resolve(archive, chat) if chat else None)
        return await export(archive, target, form.value, where, media=media, zone=_zone(loaded))

    typer.echo(f"{_read(account, run)} messages written to {target}.")


@app.command("import")
def import_messages(
    source: Annotated[
        Path, typer.Argument(help="A chat exported by WhatsApp (zip or txt), or a messages.db.")
    ],
    chat: Chat = None,
    me: Annotated[
        str | None, typer.Option(metavar="NAME", help="Your own name in the exported chat.")
    ] = None,
    account: Account = "default",
) -> None:
    """Take over an exported chat (give --chat), or the messages.db of lharries' bridge."""
    zone = _zone(_loaded())

    async def run(archive: Archive) -> str:
        if source.suffix == ".db":
            result = await archive.import_bridge(source)
        elif chat is None:
            raise InvalidArgument("An exported chat does not say which chat it is.", "Give --chat.")
        else:
            jid = await _resolve(archive, chat)
            result = await archive.import_chat_export(source, jid, me=me, zone=zone)
        return f"{result.messages} new, {result.duplicates} known already, {result.skipped} skipped."

    typer.echo(_write(account, run))


@app.command()
def purge(
    chat: Chat = None,
    before: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only what is older than this day.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every message of the account.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    account: Account = "default",
) -> None:
    """Delete messages from this machine for good; WhatsApp keeps its own."""
    if not (chat or before or everything):
        raise typer.BadParameter("Say what: --chat, --before or --all.")
    span = day(before, _zone(_loaded())) if before else None
    if before and span is None:
        raise typer.BadParameter(f"{before!r} is no date like 2024-05-31.")
    if not yes:
        typer.confirm("Delete these messages for good?", abort=True, err=True)

    async def run(archive: Archive) -> int:
        jid = await _resolve(archive, chat) if chat else None
        return await archive.purge(chat=jid, before=span[0] if span else None)

    typer.echo(f"{_write(account, run)} messages deleted.")


async def _resolve(archive: ReadingArchive, text: str) -> str:
    """The jid of the one chat that a text means.

    Raises:
        AmbiguousChat, ChatNotFound: It means several, or none.
    """
    found = await archive.resolve_chat(text)
    if not found:
        raise ChatNotFound(f"There is no chat {text!r}.", "Give its number, jid or name.")
    best, *others = found
    sure = best.matched in ("jid", "number") or [one.matched for one in found].count("name") == 1
    if others and not sure:
        raise AmbiguousChat(
            f"{text!r} may be several chats.",
            candidates=[f"{one.chat.name} ({one.chat.jid})" for one in found],
        )
    return best.chat.jid


def _loaded() -> settings.Settings:
    try:
        return settings.load()
    except WhatsAppError as error:
        print_error(Console(stderr=True, highlight=False), error)
        raise typer.Exit(1) from None


def _zone(loaded: settings.Settings) -> tzinfo:
    return ZoneInfo(loaded.timezone) if loaded.timezone else datetime.now(UTC).astimezone().tzinfo or UTC


def _read(account: str, use: Callable[[ReadingArchive], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_archive(_loaded().account_folder(account)) as archive:
            return await use(archive)

    return _or_exit(run)


def _write(account: str, use: Callable[[Archive], Awaitable[T]]) -> T:
    async def run() -> T:
        async with _alone(account) as archive:
            return await use(archive)

    return _or_exit(run)


@asynccontextmanager
async def _alone(account: str) -> AsyncIterator[Archive]:
    from whatsapp_mcp.device.lock import HostLock

    folder = _loaded().account_folder(account)
    folder.create()
    lock = HostLock(folder.host_lock)
    if not lock.acquire():
        raise Busy(
            f"A server of this account is running (process {lock.holder()}).",
            "End the applications that use whatsapp-mcp, then try again.",
        )
    try:
        async with open_archive(folder, write=True) as archive:
            yield archive
    finally:
        lock.release()


def _or_exit(run: Callable[[], Awaitable[T]]) -> T:
    try:
        return anyio.run(run)
    except WhatsAppError as error:
        print_error(Console(stderr=True, highlight=False), error)
        raise typer.Exit(1) from None
