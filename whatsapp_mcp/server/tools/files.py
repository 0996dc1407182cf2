"""Files: sending and fetching."""

from __future__ import annotations

import base64
import mimetypes
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import anyio
import anyio.to_thread
from mcp.types import ContentBlock, ImageContent, ResourceLink
from pydantic import Field

from whatsapp_mcp import media
from whatsapp_mcp.errors import InvalidArgument, MediaUnavailable, TooLong, WhatsAppError
from whatsapp_mcp.models import (
    AlbumContent,
    FileContent,
    Message,
    MessageKind,
    SendRequest,
    file_words_are_senders,
)
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import (
    ChatArg,
    FileKind,
    MessageArg,
    ReplyArg,
    Wish,
    find_chat,
    mention,
    prepare,
    take,
    what_the_extra_adds,
)
from whatsapp_mcp.server.calls import Call, Neutral, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.fencing import in_quotes, media_type, titled
from whatsapp_mcp.server.render import (
    ReadingData,
    SentData,
    Wanted,
    kind_text,
    media_data,
    reading_data,
    reading_text,
)
from whatsapp_mcp.server.tools.sending import reply_target, require_on_whatsapp, send, sent

if TYPE_CHECKING:
    from collections.abc import Sequence

INLINE_PIXELS: Final = 1024
_MOST_FILES: Final = 30
"""Of an album: WhatsApp's apps allow 100, and take their time with them."""
_IN_ALBUMS: Final = frozenset({"image", "video"})
_SHOWN: Final = 60
"""Characters of a file's name and caption that an answer repeats."""


@tool("core", Effect.ACT, Audience.CHAT, result=SentData)
async def send_file(
    call: Call,
    chat: ChatArg,
    path: Annotated[str | None, Field(description="In an allowed folder; an album: one a line")] = None,
    url: str | None = None,
    data: Annotated[str | None, Field(description="Base64")] = None,
    kind: Annotated[FileKind | None, Neutral("auto")] = None,
    caption: str = "",
    file_name: str | None = None,
    view_once: bool = False,
    hd: bool = False,
    reply_to: ReplyArg | None = None,
    idempotency_key: str | None = None,
) -> Result:
    """Send a file from path, url or data. Kind gif: a silent looping video."""
    services = await call.services()
    target = await find_chat(services, chat)
    reply = await reply_target(services, reply_to, target)
    caption, mentioned = await mention(services, target, caption, ())
    wish = Wish(kind, caption, file_name, view_once, hd)
    paths = [line for line in (path or "").splitlines() if line.strip()]
    if len(paths) > 1:
        content = await _album(services, paths, wish, url or data)
        first = replace(content.files[0], mentions=mentioned)
        content = AlbumContent((first, *content.files[1:]))
    else:
        taken = await take(services, path, url, data)
        first = content = replace(await prepare(services.worker, taken, wish), mentions=mentioned)
    await require_on_whatsapp(services, target)
    request = SendRequest(
        target.jid,
        content,
        reply_to=reply.message_id,
        reply_chat=reply.chat,
        idempotency_key=idempotency_key,
    )
    told = sent(await send(services, request), target, services, reply, what=_file_told(content))
    missing = what_the_extra_adds(first, wish)
    return replace(told, text=f"{told.text} {missing}") if missing else told


async def _album(services: Services, paths: Sequence[str], wish: Wish, other: str | None) -> AlbumContent:
    """Several pictures and videos as one; the caption is that of the first, under which the apps show it.

    Raises:
        InvalidArgument: They are too many, or something else than pictures and videos.
        WhatsAppError: One of them cannot be taken; see `take` and `prepare`.
    """
    if other is not None:
        raise InvalidArgument("Give exactly one of path, url and data.")
    if len(paths) > _MOST_FILES:
        raise InvalidArgument(f"An album has at most {_MOST_FILES} files.", "Send several albums.")
    if wish.view_once or wish.file_name:
        raise InvalidArgument("An album has neither view_once nor file_name.", "Send the files one by one.")
    files: list[FileContent] = []
    for number, path in enumerate(paths):
        taken = await take(services, path, None, None)
        each = wish if number == 0 else replace(wish, caption="")
        files.append(await prepare(services.worker, taken, each))
        if files[-1].kind not in _IN_ALBUMS:
            told = f"An album holds images and videos; file {number + 1} is sent as {files[-1].kind}."
            raise InvalidArgument(told, "Send it by itself.")
    return AlbumContent(tuple(files))


def _file_told(content: FileContent | AlbumContent) -> str:
    """` image “boat.png” “At last”`: kind, file name and caption; ` album of 4 files “At last”`."""
    if isinstance(content, AlbumContent):
        caption = content.files[0].caption
        return f" album of {len(content.files)} files{f' {in_quotes(caption, _SHOWN)}' if caption else ''}"
    told = f" {content.kind}"
    told += f" {in_quotes(content.file_name, _SHOWN)}" if content.file_name else ""
    return f"{told} {in_quotes(content.caption, _SHOWN)}" if content.caption else told


@tool("core", Effect.READ, Audience.NOBODY)
async def download_media(call: Call, message: MessageArg) -> Result:
    """Download the file of a message. Images come as content, others as a link to the local file."""
    services = await call.services()
    found = await services.archive.opened_message(message)
    source = await services.archive.media_source(found.ref)
    limit = services.settings.media.max_megabytes
    if source.path is None and source.size is not None and source.size > limit * 1_000_000:
        raise TooLong(
            f"The file of #{found.ref} has {source.size / 1e6:.0f} MB, and at most {limit} are fetched.",
            "Tell the user: it can be opened on the phone, or media.max_megabytes be raised.",
        )
    async with services.device() as device:
        path = Path(await device.download(found.ref))
    size = (await anyio.to_thread.run_sync(path.stat)).st_size
    mime_type = await anyio.to_thread.run_sync(_type_of, path, media_type(source.mime_type or "") or "")
    extra: tuple[ContentBlock, ...] = (
        ResourceLink(type="resource_link", uri=path.as_uri(), name=path.name, mime_type=mime_type, size=size),
    )
    known: dict[str, Any] = {
        **(media_data(found.media) if found.media else {}),
        "path": str(path),
        "size": size,
    }
    text = f"#{found.ref} {_described(found)} is at {path}."
    if mime_type.startswith("image/"):
        try:
            extra = (await _shown(services, path),)
        except WhatsAppError as error:
            text += f" It cannot be shown: {error.message}"
    if call.over_http:
        text += " That is a file of the computer that runs this server: no other one can open it."
    if found.kind is MessageKind.VOICE:
        text += " What is said in it: read_file."
    return Result(text, {"ref": f"#{found.ref}", "mime_type": mime_type, **known}, extra)


@tool("core", Effect.READ, Audience.NOBODY, result=ReadingData)
async def read_file(
    call: Call,
    message: MessageArg,
    pages: Annotated[str | None, Field(description="3, 2-5 or 7-")] = None,
) -> Result:
    """Text in a message's file: pages of a document, transcript, words in a picture."""
    wanted = Wanted.parse(pages)
    services = await call.services()
    found = await services.archive.opened_file(message)
    if found.media is None:
        raise MediaUnavailable("This message carries no file.", "Take a message of a media kind.")
    if found.reading is None:
        async with services.device() as device:
            await device.read_file(found.ref)
    part = await services.archive.reading(found.ref, wanted.take)
    if part is None:
        raise MediaUnavailable("Nothing was read in this file.", "Try download_media.")
    data = reading_data(found.ref, part, wanted)
    what = f"#{found.ref} {_described(found)}"
    text = reading_text(data, what, cut=part.cut, of_sender=file_words_are_senders(found))
    return Result(text, data)


def _type_of(path: Path, given: str) -> str:
    """The type of a file by its content, which its sender may only say more exactly."""
    with path.open("rb") as file:
        found = media.format_of(file.read(media.HEAD_BYTES))
    if found is not None and found.mime_type.partition("/")[0] != given.partition("/")[0]:
        return found.mime_type
    return given or mimetypes.guess_type(path.name)[0] or "application/octet-stream"


async def _shown(services: Services, path: Path) -> ImageContent:
    """A picture as models take it: JPEG of a limited size."""
    async with await anyio.open_file(path, "rb") as opened:
        made = await media.picture(services.worker, opened.wrapped, INLINE_PIXELS)
    return ImageContent(type="image", data=base64.b64encode(made.content).decode(), mime_type="image/jpeg")


def _described(message: Message) -> str:
    """`[document 1.2 MB] “plan.pdf”`; the name is the sender's."""
    facts = media_data(message.media) if message.media else {}
    name = facts.pop("file_name", None)
    return kind_text(message.kind.value, facts) + (f" {titled(name)}" if name else "")


TOOLS: Sequence[ToolFunction] = (send_file, download_media, read_file)
