"""`whatsapp-mcp scheduled …`: what is to go out later, listed, cancelled or moved by a person."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer

from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.options import Account, AsJson, known_account
from whatsapp_mcp.cli.outcome import aligned, isolated, rfc3339
from whatsapp_mcp.errors import InvalidArgument, MessageNotFound
from whatsapp_mcp.text import time_grammar
from whatsapp_mcp.text.zone import local

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.device.operations import Devices
    from whatsapp_mcp.models import OutboxEntry, SendResult

app = App(no_args_is_help=True)
_SHOWN = 60
"""Characters of a text that the list shows."""

SendId = Annotated[int, typer.Argument(metavar="ID", help="Number of the send, as the list shows it.")]
At = Annotated[str, typer.Argument(metavar="WHEN", help="2026-12-01T09:00, 'friday 09:00' or 2h.")]


@app.command("list")
def list_scheduled(as_json: AsJson = False, account: Account = "") -> None:
    """List them, the next one first."""
    from whatsapp_mcp.archive import open_archive

    async def read() -> list[tuple[OutboxEntry, str]]:
        async with open_archive(known_account(account)) as archive:
            return [
                (entry, await _called(archive, entry.request.chat))
                for entry in await archive.scheduled_sends()
            ]

    entries = anyio.run(read)
    if as_json:
        typer.echo(json.dumps([_data(entry, name) for entry, name in entries], ensure_ascii=False))
        return
    typer.echo(
        aligned([_row(entry, name) for entry, name in entries]) if entries else "Nothing is scheduled."
    )


@app.command()
def cancel(send_id: SendId, account: Account = "") -> None:
    """Cancel one: it never goes out."""
    from whatsapp_mcp.cli.connection import asked, with_known_device
    from whatsapp_mcp.device.operations import sends

    async def run(devices: Devices, archive: ReadingArchive) -> None:
        entry = await _scheduled(archive, send_id)
        await asked(devices, lambda device: device.do(sends.cancel_send, entry.request.chat, send_id))

    with_known_device(account, run)
    typer.echo(f"{send_id}: cancelled.")


@app.command()
def move(send_id: SendId, time: At, account: Account = "") -> None:
    """Move one to another moment.

    It gets a new number.
    """
    from whatsapp_mcp import settings
    from whatsapp_mcp.cli.connection import asked, with_known_device
    from whatsapp_mcp.device.operations import sends
    from whatsapp_mcp.models import SendStatus

    zone = settings.load().zone
    moment = time_grammar.later(time, zone, datetime.now(UTC))

    async def run(devices: Devices, archive: ReadingArchive) -> SendResult:
        entry = await _scheduled(archive, send_id)
        # In one operation: at no moment do both wait, or neither.
        request = replace(entry.request, at=moment, replaces=send_id, wait=0.0)
        return await asked(devices, lambda device: device.do(sends.send, request))

    moved = with_known_device(account, run)
    if moved.status is not SendStatus.SCHEDULED:
        raise InvalidArgument(f"{send_id} was not moved: it is {moved.status}.")
    typer.echo(f"{send_id} is now {moved.send_id}, and goes out on {_when(moment)}.")


async def _scheduled(archive: ReadingArchive, send_id: int) -> OutboxEntry:
    """The scheduled send of this number.

    Raises:
        MessageNotFound: There is none.
    """
    for entry in await archive.scheduled_sends():
        if entry.send_id == send_id:
            return entry
    raise MessageNotFound(
        f"Nothing is scheduled as {send_id}.", "List them with `whatsapp-mcp scheduled list`."
    )


async def _called(archive: ReadingArchive, jid: str) -> str:
    chat = await archive.chat(jid)
    return chat.name if chat else jid


def _when(moment: datetime) -> str:
    from whatsapp_mcp import settings

    return f"{local(moment, settings.load().zone):%a %Y-%m-%d %H:%M}"


def _text(entry: OutboxEntry) -> str:
    from whatsapp_mcp.models import TextContent

    content = entry.request.content
    return content.text if isinstance(content, TextContent) else f"[{content.kind}]"


def _row(entry: OutboxEntry, name: str) -> tuple[str, ...]:
    from whatsapp_mcp.archive.exporting import printable
    from whatsapp_mcp.models import SendStatus

    notes = ["if they do not write first"] if entry.request.unless_reply else []
    notes += ["waits for your yes"] if entry.status is SendStatus.HELD else []
    due = "" if entry.due_at is None else _when(entry.due_at)
    words = isolated(printable(_text(entry))[:_SHOWN])
    return str(entry.send_id), due, isolated(printable(name)), words, ", ".join(notes)


def _data(entry: OutboxEntry, name: str) -> dict[str, Any]:
    return {
        "send_id": entry.send_id,
        "status": entry.status.value,
        "at": None if entry.due_at is None else rfc3339(entry.due_at),
        "chat": entry.request.chat,
        "name": name,
        "text": _text(entry),
        "unless_reply": entry.request.unless_reply,
    }
