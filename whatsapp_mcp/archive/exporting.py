"""Writing messages out: JSON lines for programs, text and a HTML page for people."""

from __future__ import annotations

import html
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final, Literal, Protocol

import anyio
from pydantic import TypeAdapter

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.files.media_folder import recorded_file
from whatsapp_mcp.files.sealed_files import read_sealed, sealed
from whatsapp_mcp.files.vault import Vault
from whatsapp_mcp.models import (
    EVERYTHING,
    Chat,
    FileReading,
    Media,
    Message,
    MessageFilter,
    MessageKey,
    MessageKind,
    Page,
)
from whatsapp_mcp.system import replaced

Format = Literal["jsonl", "text", "html"]
_MESSAGE: Final = TypeAdapter(Message)
_PAGE: Final = 500
"""Messages read at a time: the most that a list gives (`cursors.MAX_LIMIT`)."""
_STEERING: Final = dict.fromkeys(
    [*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F)], "\ufffd"
)
"""Control characters but tab and line break, and those that override the direction of text."""
_HEARD: Final = "🎤"
"""Marks words that were heard in a voice note; it is taken out of names, so that nobody can claim it."""
# What people wrote is escaped. Should a tag get through all the same, it runs and loads nothing.
_HEAD: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src 'self'; media-src 'self';
 style-src 'unsafe-inline'">
<style>body{{font:16px/1.4 sans-serif;max-width:48em;margin:2em auto;padding:0 1em}}
.m{{margin:.6em 0;padding:.5em .8em;border-radius:.6em;background:#f0f0f0;
white-space:pre-wrap;overflow-wrap:anywhere}}
.me{{background:#d9fdd3;margin-left:3em}}.h{{color:#555;font-size:.8em}}q{{color:#555;display:block}}
img,video{{max-width:100%}}</style></head><body><h1>{title}</h1>
"""


class Messages(Protocol):
    """Source of messages: an archive, or the part of one that somebody may see."""

    async def chat(self, jid: str) -> Chat | None:
        """Return a chat by jid; None if there is no such chat."""
        ...

    async def reading(self, key: MessageKey) -> FileReading | None:
        """Return everything that was read in a message's file; None if it was not read."""
        ...

    async def messages(
        self,
        where: MessageFilter = EVERYTHING,
        *,
        oldest_first: bool = False,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[Message]:
        """Return a page of messages, newest first unless `oldest_first`."""
        ...


async def export(
    archive: Messages,
    target: Path,
    form: Format,
    where: MessageFilter = EVERYTHING,
    *,
    media: Path | None = None,
    vault: Vault | None = None,
    zone: tzinfo = UTC,
) -> int:
    """Write messages to a file, oldest first; answers how many.

    Args:
        archive: Where they are.
        target: The file, private to its owner; a former one of this name is replaced once all is written. A
            HTML page gets a folder `NAME_files` beside it for its media.
        form: `jsonl` (one `models.Message` a line), `text`, or `html`.
        where: Which messages.
        media: Folder of downloaded files, for the page.
        vault: Holds the key of those that are sealed.
        zone: In which zone people read the times.

    Raises:
        InvalidArgument: There is something else than a file in that place.
    """
    there = anyio.Path(target)
    if await there.exists() and not await there.is_file():
        raise InvalidArgument(f"{target} is not a file.", "Name a file, or - for stdout.")
    with replaced(target) as part:
        files = target.with_name(f"{target.stem}_files")
        return await _write(archive, part, form, where, media, vault, files, zone)


async def _write(
    archive: Messages,
    target: Path,
    form: Format,
    where: MessageFilter,
    media: Path | None,
    vault: Vault | None,
    files: Path,
    zone: tzinfo,
) -> int:
    count = 0
    async with await anyio.open_file(target, "w", encoding="utf-8") as out:
        if form == "html":
            await out.write(_HEAD.format(title=html.escape(await _title(archive, where))))
        async for message in _every(archive, where):
            count += 1
            if form == "jsonl":
                await out.write(_MESSAGE.dump_json(message, exclude_none=True).decode() + "\n")
            elif form == "text":
                await out.write(text_line(message, zone) + "\n")
            else:
                name = await anyio.to_thread.run_sync(_copy, message, media, vault, files)
                await out.write(html_block(message, zone, name and f"{files.name}/{name}"))
        if form == "html":
            await out.write("</body></html>\n")
    return count


def printable(text: str) -> str:
    """The text with U+FFFD for what steers a terminal or turns the direction of a line."""
    return text.translate(_STEERING)


async def _every(archive: Messages, where: MessageFilter) -> AsyncIterator[Message]:
    cursor = None
    while True:
        page = await archive.messages(where, oldest_first=True, limit=_PAGE, cursor=cursor)
        for message in page.items:
            yield await _with_all_that_was_read(archive, message)
        cursor = page.next_cursor
        if cursor is None:
            return


async def _with_all_that_was_read(archive: Messages, message: Message) -> Message:
    """The message with the whole of what was read in its file, a line break between two passages.

    What an archive keeps back of it stays away.
    """
    excerpt = message.reading
    if excerpt is None or not excerpt.text:
        return message
    reading = await archive.reading(message.ref)
    if reading is not None:
        message.reading = replace(
            excerpt, text="\n".join(one.text for one in reading.passages), cut=reading.cut
        )
    return message


async def _title(archive: Messages, where: MessageFilter) -> str:
    chat = await archive.chat(where.chat) if where.chat else None
    return chat.name if chat else "Messages"


def text_line(message: Message, zone: tzinfo) -> str:
    """One message as WhatsApp's own export writes it; further lines of its text follow."""
    stamp = message.timestamp.astimezone(zone).strftime("%Y-%m-%d, %H:%M:%S")
    # A line that looks like the next message is set in, so that no text can forge one.
    words = said(message).replace("\n[", "\n [")
    return printable(f"[{stamp}] {_sender(message)}{_heard_mark(message)}: {words}")


def _sender(message: Message) -> str:
    """Return the sender's name, with `~` before a name of their own choice, as in lists."""
    name = " ".join(message.sender_name.replace(_HEARD, " ").split())
    return f"{'~' if message.sender_stranger else ''}{name}"


def said(message: Message) -> str:
    """The text of a message, its kind in brackets where it has no text."""
    if message.revoked_at is not None:
        return "[deleted]"
    parts = [message.spoken] if message.text else []
    if message.media is not None:
        parts.insert(0, _file_said(message, message.media))
    elif message.album is not None:
        parts.insert(0, f"[album of {message.album.expected} files]")
    elif what := (message.details or {}).get("what"):
        parts.insert(0, f"[{what}]")
    elif not parts:
        parts.append(f"[{message.kind}]")
    parts += [f"- {choice}" for choice in (message.details or {}).get("choices", ())]
    parts += [f"- {option.name} ({len(option.voters)})" for option in message.poll]
    return "\n".join(parts)


def _file_said(message: Message, media: Media) -> str:
    """`[document: plan.pdf] “What stands in it”`; of a voice note that was heard the words alone."""
    read = f"“{message.reading.text}”" if message.reading and message.reading.text else ""
    if _heard_mark(message):
        return read
    named = f"[{message.kind}{': ' + media.file_name if media.file_name else ''}]"
    return f"{named} {read}" if read else named


def _heard_mark(message: Message) -> str:
    """` 🎤 0:42`, which follows the sender where the words of a voice note stand: so nobody can type it."""
    if message.kind is not MessageKind.VOICE or message.reading is None or not message.reading.text:
        return ""
    seconds = message.media.duration if message.media else None
    return f" {_HEARD}" + (f" {seconds // 60}:{seconds % 60:02}" if seconds else "")


def html_block(message: Message, zone: tzinfo, file: str | None) -> str:
    """One message of the page; everything that people wrote is escaped."""
    stamp = message.timestamp.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    head = f"{_sender(message)}{_heard_mark(message)} · {stamp}" + (" · edited" if message.edited_at else "")
    lines = [f'<div class="m{" me" if message.from_me else ""}"><div class="h">{html.escape(head)}</div>']
    if message.quote is not None and message.quote.text:
        lines.append(f"<q>{html.escape(message.quote.text)}</q>")
    if file is not None:
        lines.append(_embed(message, html.escape(file, quote=True)))
    lines.append(html.escape(said(message)))
    if message.reactions:
        lines.append(f'<div class="h">{html.escape(" ".join(one.emoji for one in message.reactions))}</div>')
    return "".join(lines) + "</div>\n"


def _embed(message: Message, source: str) -> str:
    kind = (message.media.mime_type or "").partition("/")[0] if message.media else ""
    if kind == "image":
        return f'<img src="{source}" alt="">'
    if kind in ("audio", "video"):
        return f'<{kind} controls src="{source}"></{kind}>'
    return f'<a href="{source}">{source}</a> '


def _copy(message: Message, media: Path | None, vault: Vault | None, files: Path) -> str | None:
    """Copy a downloaded file beside the page; answers its name there."""
    if message.media is None or message.media.path is None or media is None:
        return None
    source = recorded_file(media, message.media.path)
    if not source.is_file() and not sealed(source).is_file():
        return None
    files.mkdir(mode=0o700, exist_ok=True)
    # Never the name that the sender chose: two files may share it, and it may hold anything.
    name = f"{message.ref}{source.suffix}"
    with replaced(files / name) as part, part.open("wb") as copy:
        if source.is_file():
            with source.open("rb") as source_file:
                shutil.copyfileobj(source_file, copy)
        elif vault is not None and (key := vault.files_key()) is not None:
            copy.writelines(read_sealed(sealed(source), key))
    return name
