"""`whatsapp-mcp archive …`: look after what was said, take it out, bring it in, delete it.

A command that writes takes the leader's lock, and is refused while a server holds it.
What only reads (`stats`, `check`, `export`) works beside a server.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio
import anyio.to_thread
import typer

from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.options import Account, AsJson, known_account
from whatsapp_mcp.cli.outcome import RECOVER, for_account, isolated, rfc3339, shown
from whatsapp_mcp.errors import Busy, InvalidArgument, Unsupported
from whatsapp_mcp.text import time_grammar
from whatsapp_mcp.text.zone import local

if TYPE_CHECKING:
    from whatsapp_mcp.archive import Archive, ReadingArchive
    from whatsapp_mcp.models import PurgeReport
    from whatsapp_mcp.settings import AccountFolder

T = TypeVar("T")

app = App(no_args_is_help=True)

_STDOUT = Path("-")

Chat = Annotated[str | None, typer.Option(metavar="CHAT", help="Number, jid or name of the chat.")]


class Form(StrEnum):
    """Formats of an export."""

    JSONL = "jsonl"
    TEXT = "text"
    HTML = "html"


@app.command()
def stats(as_json: AsJson = False, account: Account = "") -> None:
    """Tell how much is archived."""
    from whatsapp_mcp.models import ImportState

    statistics = _read(account, lambda archive: archive.statistics())
    imports = _read(account, lambda archive: archive.imports())
    imports = [each for each in imports if each.state is not ImportState.UNDONE]
    lines = [
        f"{statistics.messages} messages in {statistics.chats} chats, "
        f"{statistics.contacts} contacts, {statistics.media} files"
    ]
    if statistics.first and statistics.last:
        lines.append(
            f"from {statistics.first:%Y-%m-%d} to {statistics.last:%Y-%m-%d}, {statistics.bytes / 1e6:.1f} MB"
        )
    if statistics.undecoded:
        events = "1 event" if statistics.undecoded == 1 else f"{statistics.undecoded} events"
        lines.append(f"{events} cannot be decoded; try `archive redecode` after an upgrade")
    if statistics.cut_short:
        messages = "1 message is" if statistics.cut_short == 1 else f"{statistics.cut_short} messages are"
        lines.append(f"{messages} not kept whole: their senders sent too much that day")
    if statistics.addons_dropped:
        lines.append(
            f"{statistics.addons_dropped} reactions, edits or the like waited in vain for their message"
        )
    if imports:
        new = sum(each.report.new for each in imports)
        count = "1 import" if len(imports) == 1 else f"{len(imports)} imports"
        brought = "1 message is" if new == 1 else f"{new} messages are"
        lines.append(f"{brought} from {count}")
    _tell("\n".join(lines), as_json, **asdict(statistics), imports=len(imports))


@app.command()
def check(as_json: AsJson = False, account: Account = "") -> None:
    """Check files and search index."""
    from whatsapp_mcp.archive import care

    async def run() -> tuple[str, ...]:
        return await anyio.to_thread.run_sync(care.check_file, known_account(account))

    faults = _run(run)
    _tell(
        "\n".join((*faults, for_account(RECOVER, account))) if faults else "The archive is intact.",
        as_json,
        faults=faults,
    )
    if faults:
        raise typer.Exit(1)


@app.command()
def optimize(account: Account = "") -> None:
    """Pack the search index and the file."""
    _write(account, lambda archive: archive.optimize())
    typer.echo("Compacted.")


@app.command()
def rebuild(account: Account = "") -> None:
    """Rebuild the search index."""
    _write(account, lambda archive: archive.rebuild())
    typer.echo("The search index is rebuilt.")


@app.command()
def recover(as_json: AsJson = False, account: Account = "") -> None:
    """Make a new archive of a damaged one.

    The damaged file is kept beside it: archive.db.damaged, raw.db.damaged.
    """
    from whatsapp_mcp.archive import care

    async def run() -> care.Recovery | None:
        folder = known_account(account)
        if folder.in_database:
            raise Unsupported(
                "This archive is a copy of what a database holds.",
                "Restart what leads it here: that makes a new copy.",
            )
        with _locked(account):
            return await anyio.to_thread.run_sync(care.recover, folder)

    recovered = _run(run)
    if recovered is None:
        _tell("The archive is intact; nothing was changed.", as_json, recovered=False)
        return
    words = f"The archive has {recovered.messages} messages in {recovered.chats} chats."
    if not recovered.is_whole:
        words += (
            " Not everything could be read. What is missing is in a backup, or comes from the phone:"
            " run `whatsapp-mcp unlink`, then `whatsapp-mcp link`."
        )
    _tell(words, as_json, recovered=True, **recovered._asdict())


@app.command()
def redecode(as_json: AsJson = False, account: Account = "") -> None:
    """Decode again what an older version could not."""
    known = _write(account, lambda archive: archive.redecode())
    _tell(f"{known or 'Nothing'} of the undecoded events can be read now.", as_json, known=known)


@app.command("export")
def export_messages(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="What to write; `-` for stdout.")],
    form: Annotated[
        Form, typer.Option("--format", help="For programs, for reading, or a page with media.")
    ] = Form.JSONL,
    chat: Chat = None,
    account: Account = "",
) -> None:
    """Write messages to a file or stdout.

    Oldest first; stdout gets no media.
    """
    from whatsapp_mcp import settings
    from whatsapp_mcp.archive import export
    from whatsapp_mcp.models import MessageFilter

    loaded = settings.load()

    async def run(archive: ReadingArchive) -> int:
        folder = loaded.account_folder(account)
        where = MessageFilter(chat=await _resolve(archive, chat) if chat else None)
        if target != _STDOUT:
            return await export(
                archive, target, form.value, where, media=folder.media, vault=folder.vault, zone=loaded.zone
            )
        # Whole before any of it is printed: an export that fails leaves no part of it in a pipe.
        with TemporaryDirectory() as folder:
            whole = Path(folder) / "export"
            count = await export(archive, whole, form.value, where, zone=loaded.zone)
            _to_stdout(whole)
            return count

    count = _read(account, run)
    typer.echo(f"{count} messages written to {'stdout' if target == _STDOUT else target}.", err=True)


def _to_stdout(path: Path) -> None:
    """Copy a file to stdout; to a terminal without what steers it, which others may have written."""
    from whatsapp_mcp.archive.exporting import printable

    if sys.stdout.isatty():
        with path.open(encoding="utf-8") as lines:
            sys.stdout.writelines(isolated(printable(line)) for line in lines)
    else:
        with path.open("rb") as source:
            shutil.copyfileobj(source, sys.stdout.buffer)
    sys.stdout.flush()


@app.command()
def purge(
    chat: Chat = None,
    before: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only what is older: a date, or an age like 90d, 6mo, 1y."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every message of the account.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    account: Account = "",
) -> None:
    """Delete messages here for good.

    WhatsApp keeps its own.
    """
    from whatsapp_mcp.ledger import open_ledger

    if not (chat or before or everything):
        raise InvalidArgument("It is not given what to purge.", "Give --chat, --before or --all.")
    end = _moment(before) if before else None

    async def run(archive: Archive) -> PurgeReport:
        jid = await _resolve(archive, chat) if chat else None
        if not yes:
            target = await archive.chat(jid) if jid else None
            where = f" of {target.name} ({target.jid})" if target else ""
            older = f" older than {end:%Y-%m-%d %H:%M}" if end else ""
            _confirm(f"Delete the messages{where}{older} for good?")
        chats = None if jid is None else (await archive.chat_facts(jid)).addresses
        deleted = await archive.purge(chat=jid, before=end)
        async with open_ledger(archive.folder) as ledger:
            await ledger.purge(end, chats=chats)
        return deleted

    report = _write(account, run)
    deleted, cancelled = report.messages, len(report.cancelled)
    words = f"{deleted} message{'' if deleted == 1 else 's'} deleted."
    if cancelled:
        words += f" {cancelled} that waited to be sent will not go out."
    _tell(words, as_json, deleted=deleted, cancelled=cancelled)


def _confirm(question: str) -> None:
    """Go on only after a yes.

    Raises:
        typer.Abort: The answer was no, or Ctrl-C.
    """
    # asyncio's own handler would keep Ctrl-C back until the question is answered.
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        typer.confirm(shown(question, sys.stderr), abort=True, err=True)
    finally:
        signal.signal(signal.SIGINT, kept)


def _moment(text: str) -> datetime:
    """The first moment of a written time.

    Raises:
        InvalidArgument: It is not of a known form.
    """
    from whatsapp_mcp import settings

    zone = settings.load().zone
    span = time_grammar.read(text, zone, datetime.now(UTC))
    if span is None:
        raise InvalidArgument(f"{text!r} is not a time.", f"Give {time_grammar.FORMS}.")
    return local(span.start, zone)


def _tell(words: str, as_json: bool, **facts: Any) -> None:
    """Say it to a person, or its facts to a program."""
    typer.echo(json.dumps(facts, ensure_ascii=False, default=rfc3339) if as_json else words)


async def _resolve(archive: ReadingArchive, text: str) -> str:
    """The jid of the one chat that a text means.

    Raises:
        AmbiguousChat, ChatNotFound: It means several, or none.
    """
    from whatsapp_mcp.server.arguments import choose

    return choose(await archive.resolve_chat(text), text).jid


def _read(account: str, use: Callable[[ReadingArchive], Awaitable[T]]) -> T:
    from whatsapp_mcp.archive import open_archive

    async def run() -> T:
        async with open_archive(known_account(account)) as archive:
            return await use(archive)

    return _run(run)


def _write(account: str, use: Callable[[Archive], Awaitable[T]]) -> T:
    """Run `use` with the archive of the account."""

    async def run() -> T:
        known_account(account)
        async with _alone(account) as archive:
            return await use(archive)

    return _run(run)


@asynccontextmanager
async def _alone(account: str) -> AsyncIterator[Archive]:
    from whatsapp_mcp.archive import open_archive

    with _locked(account) as folder:
        async with open_archive(folder, write=True) as archive:
            yield archive


@contextmanager
def _locked(account: str) -> Iterator[AccountFolder]:
    """Hold the leader's lock of an account.

    Raises:
        Busy: A server holds it.
    """
    from whatsapp_mcp import settings
    from whatsapp_mcp.device.leader import LeaderLock

    folder = settings.load().account_folder(account)
    folder.create()
    lock = LeaderLock(folder)
    if not lock.acquire():
        raise Busy(
            f"A server of this account is running (process {lock.holder()}).",
            "End the applications and services that use whatsapp-mcp, then try again.",
        )
    try:
        yield folder
    finally:
        lock.release()


def _run(use: Callable[[], Awaitable[T]]) -> T:
    """Run it; a file that cannot be used is an error of ours."""
    try:
        return anyio.run(use)
    except BrokenPipeError:
        raise  # the reader of stdout has enough: Typer ends quietly
    except OSError as error:
        raise Busy(f"{error.filename}: {error.strerror}.", "Name another file.") from error
