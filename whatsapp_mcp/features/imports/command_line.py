"""`whatsapp-mcp archive import`: through the leader, followed until it is over."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TextIO, TypeVar

import anyio
import typer

from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.options import Account, AsJson, known_account
from whatsapp_mcp.cli.outcome import ExitCode, aligned, fitted, isolated, print_error, rfc3339, shown
from whatsapp_mcp.errors import AmbiguousChat, Busy, ChatNotFound, InvalidArgument, WhatsAppError
from whatsapp_mcp.system import INTERRUPT, receive_signals

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.device.operations import Devices
    from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest, UnknownVersion

T = TypeVar("T")

_LOOK: Final = 0.3
"""Seconds between two looks at how far it is."""
_OFFERED: Final = 5
"""Chats that are offered for an exported one."""
_STDIN: Final = "-"
_EXPORTED: Final = frozenset({".txt", ".zip"})
"""Suffixes of chats that WhatsApp exported, as in `importing/places.py`, which is slow to load."""
_GOES_ON: Final = "What was imported stays. The same command goes on where it was."

Source = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE|FOLDER]",
        exists=True,
        help="Exported chats (zip, txt), a backup of WhatsApp, contacts (vcf), or another server's database.",
    ),
]


app = App()


@app.command("import")
def import_messages(
    source: Source = None,
    chat: Annotated[
        str | None, typer.Option(metavar="CHAT", help="Number, jid or name of the chat that was exported.")
    ] = None,
    me: Annotated[
        str | None, typer.Option(metavar="NAME", help="Your own name in the exported chat.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="64 digits, or a backup's password; `-` asks for it unseen."),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False, help="File with the key.")
    ] = None,
    media: Annotated[
        Path | None, typer.Option(metavar="DIR", exists=True, file_okay=False, help="Files of the messages.")
    ] = None,
    names: Annotated[
        Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False, help="wa.db of Android.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what it would bring.")] = False,
    undo: Annotated[
        int | None, typer.Option(metavar="N", help="Remove what only this import brought.")
    ] = None,
    only_list: Annotated[bool, typer.Option("--list", help="List the imports.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    account: Account = "",
) -> None:
    """Import backups, exported chats, contacts.

    Beside a running server, or without one. After Ctrl-C the same command goes on. An exported chat needs
    --chat; those in a folder are matched by name and members, and you are asked where that is not certain.
    """
    from whatsapp_mcp import settings
    from whatsapp_mcp.features.imports.requests import ImportRequest

    if sum((source is not None, undo is not None, only_list)) != 1:
        raise InvalidArgument("Give one of these.", "A file or folder, --undo N, or --list.")
    if only_list:
        is_here = settings.load().account_folder(account).path.is_dir()
        _tell_all(_with_device(account, _all, known=True) if is_here else (), as_json)
        return
    if undo is not None:
        if not (yes or as_json):
            _require_import(account, undo)
            typer.confirm(f"Remove what only import {undo} brought?", abort=True, err=True)
        over = _with_device(account, _Followed(_undo(undo), as_json), known=True)
    else:
        assert source is not None
        path = source.absolute()
        if chat is None and path.suffix.lower() in _EXPORTED and path.is_file():
            raise InvalidArgument("An exported chat does not name its chat.", "Give --chat.")
        asks = path.is_dir() and _is_at_terminal() and not (as_json or yes)
        request = ImportRequest(
            str(path),
            me=me,
            key=_key(key),
            key_file=_absolute(key_file),
            media=_absolute(media),
            names=_absolute(names),
            dry_run=dry_run,
            chats=_which_chats(account, path) if asks else (),
        )
        over = _with_device(account, _Followed(_begin(request, chat), as_json), known=False)
    _tell(over, as_json)
    raise typer.Exit(_exit_code(over))


_Start = Callable[["Devices", "ReadingArchive"], Awaitable[int]]


def _is_at_terminal() -> bool:
    return sys.stdin.isatty()


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _key(given: str | None) -> str | None:
    """The key; one that is asked for stands neither on the screen nor in the shell's history."""
    if given != _STDIN:
        return given
    if not _is_at_terminal():
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Key or password", hide_input=True, err=True))


def _with_device(account: str, use: Callable[[Devices, ReadingArchive], Awaitable[T]], *, known: bool) -> T:
    from whatsapp_mcp.cli.connection import with_device, with_known_device

    # An import is in order before a phone is linked: then the account is made.
    return with_known_device(account, use) if known else with_device(account, use)


async def _all(devices: Devices, _: ReadingArchive) -> tuple[ImportProgress, ...]:
    from whatsapp_mcp.cli.connection import asked
    from whatsapp_mcp.features.imports import operations as imports

    return await asked(devices, lambda device: device.do(imports.imports))


def _require_import(account: str, number: int) -> None:
    """Check that an import exists, before a person is asked about it.

    Raises:
        InvalidArgument: There is none of this number.
    """
    if not any(number in one.numbers for one in _with_device(account, _all, known=True)):
        raise InvalidArgument(f"There is no import {number}.", "Look at the list of imports (--list).")


def _undo(number: int) -> _Start:
    async def start(devices: Devices, _: ReadingArchive) -> int:
        from whatsapp_mcp.cli.connection import asked
        from whatsapp_mcp.features.imports import operations as imports

        return await asked(devices, lambda device: device.do(imports.undo_import, number))

    return start


def _begin(request: ImportRequest, chat: str | None) -> _Start:
    async def start(devices: Devices, archive: ReadingArchive) -> int:
        from whatsapp_mcp.cli.connection import asked
        from whatsapp_mcp.features.imports import operations as imports

        wanted = replace(request, chat=await _resolve(archive, chat)) if chat else request
        return await asked(devices, lambda device: device.do(imports.begin_import, wanted))

    return start


async def _resolve(archive: ReadingArchive, text: str) -> str:
    """The jid of the one chat that a text means.

    Raises:
        AmbiguousChat, ChatNotFound: It means several, or none.
    """
    from whatsapp_mcp.server.arguments import choose

    return choose(await archive.resolve_chat(text), text).jid


# Exported chats of which it is not certain which chat they are.


class _Question(NamedTuple):
    """An exported chat, and the chats that it may be: (jid, what it is called)."""

    file: str
    offered: tuple[tuple[str, str], ...]


def _which_chats(account: str, folder: Path) -> tuple[tuple[str, str], ...]:
    """The chats that a person gives for exported ones in a folder."""

    async def find(devices: Devices, archive: ReadingArchive) -> list[_Question]:
        from whatsapp_mcp.cli.connection import asked
        from whatsapp_mcp.features.imports import operations as imports

        matches = await asked(devices, lambda device: device.do(imports.match_exports, str(folder)))
        return [
            _Question(
                one.file, tuple([(jid, await _called(archive, jid)) for jid in one.candidates[:_OFFERED]])
            )
            for one in matches
            if one.chat is None
        ]

    # The questions are asked between two connections: whoever thinks for long holds up nothing.
    questions = _with_device(account, find, known=False)
    answers = [(one.file, _ask(account, one)) for one in questions]
    return tuple((file, chat) for file, chat in answers if chat)


async def _called(archive: ReadingArchive, jid: str) -> str:
    from whatsapp_mcp.archive.exporting import printable

    chat = await archive.chat(jid)
    return f"{printable(chat.name)} ({jid})" if chat else jid


def _ask(account: str, question: _Question) -> str | None:
    """The chat that a person says it is; None to leave it out."""
    from whatsapp_mcp.archive.exporting import printable

    offered = question.offered
    lines = [f"Which chat is {printable(question.file)}?"]
    lines += [f"  {number}  {called}" for number, (_, called) in enumerate(offered, 1)]
    typer.echo(shown("\n".join(lines), sys.stderr), err=True)
    while answer := _answer():
        if answer.isdecimal() and 1 <= int(answer) <= len(offered):
            return offered[int(answer) - 1][0]
        try:
            return anyio.run(_found, account, answer)
        except (ChatNotFound, AmbiguousChat) as error:
            print_error(error, account)
    return None


def _answer() -> str:
    prompt = "Number, name or jid (empty: leave it out)"
    return str(typer.prompt(prompt, default="", show_default=False, err=True)).strip()


async def _found(account: str, text: str) -> str:
    from whatsapp_mcp.archive import open_archive

    async with open_archive(known_account(account)) as archive:
        return await _resolve(archive, text)


# Following.


class _Followed:
    """Begins something and follows it until it is over; the first Ctrl-C cancels it, the second leaves it.

    Args:
        start: Begins it; answers its ticket.
        as_json: Whether a program reads what is printed.
    """

    def __init__(self, start: _Start, as_json: bool) -> None:
        self._start = start
        self._line = _ProgressLine(sys.stderr if sys.stderr.isatty() and not as_json else None)

    async def __call__(self, devices: Devices, archive: ReadingArchive) -> ImportProgress:
        """Start the import, follow it until it is over, and return how it ended.

        Raises:
            KeyboardInterrupt: A second Ctrl-C; it goes on in a server that runs.
            Busy: Its server has ended.
        """
        ticket = await self._start(devices, archive)
        over: list[ImportProgress] = []
        with receive_signals(INTERRUPT) as signals:  # from here on they come here, and to no other receiver
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_on_interrupt, signals, devices, ticket, tasks.cancel_scope)
                try:
                    over.append(await self._follow(devices, ticket))
                finally:
                    self._line.clear()
                tasks.cancel_scope.cancel()
        if not over:
            raise KeyboardInterrupt
        return over[0]

    async def _follow(self, devices: Devices, ticket: int) -> ImportProgress:
        from whatsapp_mcp.cli.connection import asked
        from whatsapp_mcp.features.imports import operations as imports

        while True:
            matches = await asked(devices, lambda device: device.do(imports.imports, ticket))
            if not matches:
                raise Busy("The server that imported has ended.", "Run the same command again: it goes on.")
            if matches[0].is_over:
                return matches[0]
            self._line.show(matches[0])
            await anyio.sleep(_LOOK)


async def _cancel_on_interrupt(
    signals: AsyncIterator[Any], devices: Devices, ticket: int, scope: anyio.CancelScope
) -> None:
    from whatsapp_mcp.cli.connection import asked
    from whatsapp_mcp.features.imports import operations as imports

    await anext(signals)
    with suppress(WhatsAppError):  # it has just ended
        await asked(devices, lambda device: device.do(imports.cancel_import, ticket))
    await anext(signals)
    scope.cancel()


class _ProgressLine:
    """One line on a terminal that is written over again and again."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out

    def show(self, progress: ImportProgress) -> None:
        """Show how far an import is."""
        from whatsapp_mcp.archive.exporting import printable
        from whatsapp_mcp.features.imports.importing import how_far

        if self._out is not None:
            # A longer one would go on in the next line, which the next one does not write over.
            line = fitted(f"{printable(progress.file)} {how_far(progress)}", self._out)
            self._out.write(f"\r{shown(line, self._out)}\x1b[K")
            self._out.flush()

    def clear(self) -> None:
        """Empty the line."""
        if self._out is not None:
            self._out.write("\r\x1b[K")
            self._out.flush()


# What came of it.


def _exit_code(over: ImportProgress) -> ExitCode:
    from whatsapp_mcp.models import ImportState

    if over.state is ImportState.CANCELLED:
        return ExitCode.INTERRUPTED
    return ExitCode.FAILED if over.error else ExitCode.OK


def _tell(over: ImportProgress, as_json: bool) -> None:
    from whatsapp_mcp.models import ImportState

    if as_json:
        typer.echo(json.dumps(_data(over), ensure_ascii=False))
        return
    for line in _told(over):
        typer.echo(shown(line, sys.stdout))
    if over.state is ImportState.CANCELLED:
        typer.echo(f"Cancelled. {_GOES_ON}", err=True)
    if over.error:
        typer.echo(f"Error: {over.error}", err=True)
    if over.unknown is not None:
        typer.echo(report_of(over.unknown), err=True)


def _told(over: ImportProgress) -> list[str]:
    from whatsapp_mcp.archive.exporting import printable
    from whatsapp_mcp.features.imports.importing import brought, left_out
    from whatsapp_mcp.features.imports.requests import ImportStep

    if over.step is ImportStep.UNDOING:
        return [] if over.error else [f"Import {over.numbers[0]} is undone: what only it brought is removed."]
    lines = [brought(over.report), left_out(over.report)] if over.source else []
    if over.dry_run:
        lines.append("Nothing was written: this was a dry run.")
    if over.asks:
        lines.append("Not imported, as it is not certain which chat each is; give each with --chat:")
        lines += [f"  {printable(one.file)}" for one in over.asks]
    if over.numbers:
        undo = ", ".join(f"`whatsapp-mcp archive import --undo {number}`" for number in over.numbers[:3])
        lines.append(f"Undo: {undo}{' …' if len(over.numbers) > 3 else ''}")
    return [line for line in lines if line]


def report_of(unknown: UnknownVersion) -> str:
    """Return the text of a report: names of tables and columns, and nothing that anybody wrote."""
    tables = [f"{table}({', '.join(columns)})" for table, columns in unknown.tables]
    return "\n".join(["To report it, copy these lines:", f"user_version {unknown.number}", *tables])


def _tell_all(imports: Sequence[ImportProgress], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_data(one) for one in imports], ensure_ascii=False))
        return
    rows = [_row(one) for one in imports]
    typer.echo(aligned(rows) if rows else "Nothing was imported.")


def _row(progress: ImportProgress) -> tuple[str, ...]:
    from whatsapp_mcp.archive.exporting import printable
    from whatsapp_mcp.features.imports.importing import brought, how_far

    first, last = (progress.numbers[0], progress.numbers[-1]) if progress.numbers else ("-", "-")
    numbers = f"{first}" if first == last else f"{first}-{last}"
    status = progress.error or (brought(progress.report) if progress.is_over else how_far(progress))
    began = progress.began.astimezone()
    return (
        numbers,
        f"{began:%Y-%m-%d %H:%M}",
        progress.state.value,
        isolated(printable(progress.file)),
        status,
    )


def _data(progress: ImportProgress) -> dict[str, Any]:
    """An import for programs."""
    return json.loads(json.dumps(asdict(progress), default=lambda value: rfc3339(value)))
