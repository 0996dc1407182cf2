"""Files: sending and fetching."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from whatsapp_mcp.device.operations import files
from whatsapp_mcp.errors import InvalidArgument, MediaUnavailable
from whatsapp_mcp.models import AlbumContent, FileContent, Message, MessageKind, SendRequest
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import (
    ChatArg,
    FileKind,
    MessageArg,
    Origin,
    Presentation,
    ReplyArg,
    Texts,
    find_chat,
    mention,
    origin_of,
    prepare,
    take,
    what_the_extra_adds,
)
from whatsapp_mcp.server.calls import Call, Neutral, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.fencing import Text
from whatsapp_mcp.server.render import ReadingData, SentData, Wanted, media_data
from whatsapp_mcp.server.resources import content_blocks, described, fetch_file, thumbnail_block, told_reading
from whatsapp_mcp.server.tools.outcomes import content_told, sent
from whatsapp_mcp.server.tools.sending import reply_target, require_on_whatsapp, send

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_FILES: Final = 30
"""Most files of an album; WhatsApp's apps allow 100, and process them slowly."""
_IN_ALBUMS: Final = frozenset({"image", "video"})
"""Kinds of files that make an album."""
_SPOKEN: Final = frozenset({MessageKind.VOICE, MessageKind.AUDIO, MessageKind.VIDEO})
"""Kinds whose transcript goes along with the file."""


@tool("core", Effect.ACT, Audience.CHAT, result=SentData)
async def send_file(
    call: Call,
    chat: ChatArg,
    path: Annotated[str | None, Field(description="In an allowed folder")] = None,
    url: str | None = None,
    data: Annotated[str | None, Field(description="Base64")] = None,
    album: Annotated[Texts | None, Field(description="Paths, URLs, data: URLs")] = None,
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
    caption, mentioned = await mention(services, target.jid, caption, ())
    wish = Presentation(kind, caption, file_name, view_once, hd)
    if album:
        if path or url or data:
            raise InvalidArgument("Give exactly one of path, url, data and album.")
        origins = [origin_of(given) for given in album]
    else:
        origins = [Origin(path, url, data)]
    files = await _prepared(services, origins, wish)
    files[0] = replace(files[0], mentions=mentioned)
    content = files[0] if len(files) == 1 else AlbumContent(tuple(files))
    await require_on_whatsapp(services, target)
    request = SendRequest(
        target.jid,
        content,
        reply_to=reply.message_id,
        reply_chat=reply.chat,
        idempotency_key=idempotency_key,
    )
    answer = sent(await send(services, request), target, services, reply, what=content_told(content))
    missing = what_the_extra_adds(files[0], wish)
    return replace(answer, text=f"{answer.text} {missing}") if missing else answer


async def _prepared(services: Services, origins: Sequence[Origin], wish: Presentation) -> list[FileContent]:
    """A file, or the pictures and videos of an album; the apps show the caption of the first under it.

    Raises:
        InvalidArgument: For an album they are too many, or something else than pictures and videos.
        WhatsAppError: One of them cannot be taken; see `take` and `prepare`.
    """
    is_album = len(origins) > 1
    if len(origins) > _MOST_FILES:
        raise InvalidArgument(f"An album has at most {_MOST_FILES} files.", "Send several albums.")
    if is_album and (wish.view_once or wish.file_name):
        raise InvalidArgument("An album has neither view_once nor file_name.", "Send the files one by one.")
    files: list[FileContent] = []
    for number, taken in enumerate(await take(services, origins), 1):
        files.append(
            await prepare(services.worker, taken, wish if number == 1 else replace(wish, caption=""))
        )
        if is_album and files[-1].kind not in _IN_ALBUMS:
            problem = f"An album holds images and videos; file {number} is sent as {files[-1].kind}."
            raise InvalidArgument(problem, "Send it by itself.")
    return files


class DownloadData(TypedDict):
    """The file of a message, as far as it is known; `expired` where only its thumbnail is left."""

    ref: str
    path: NotRequired[str]
    size: NotRequired[int]
    mime_type: NotRequired[str]
    file_name: NotRequired[str]
    duration: NotRequired[int]
    width: NotRequired[int]
    height: NotRequired[int]
    view_once: NotRequired[bool]
    expired: NotRequired[bool]


@tool("core", Effect.READ, Audience.NOBODY, result=DownloadData, in_chat=True)
async def download_media(call: Call, message: MessageArg) -> Result:
    """Fetch a message's file; pictures and stills of videos are shown."""
    services = await call.services()
    stored_message = await services.archive.opened_message(message)
    try:
        fetched = await fetch_file(services, stored_message)
    except MediaUnavailable as error:
        return await _thumbnail_left(services, stored_message, error)
    answer = await content_blocks(services, stored_message.ref, fetched, over_http=call.over_http)
    where = f"#{stored_message.ref} {described(stored_message)} is at {fetched.path}."
    if call.over_http:
        where += " That is a file of the computer that runs this server: no other one can open it."
    said = await _said(services, stored_message)
    known: dict[str, Any] = {
        **(media_data(stored_message.media) if stored_message.media else {}),
        "path": str(fetched.path),
        "size": fetched.size,
    }
    return Result(
        Text(" ".join([where, *answer.notes, said.head]).strip(), said.lines, said.notes),
        {"ref": f"#{stored_message.ref}", "mime_type": fetched.mime_type, **known},
        tuple(answer.blocks),
    )


async def _said(services: Services, message: Message) -> Text:
    """Return the transcript of a recording, if it was transcribed."""
    if message.kind not in _SPOKEN:
        return Text("")
    wanted = Wanted()
    part = await services.archive.reading(message.ref, wanted.take, first=wanted.first)
    if part is None:
        return Text("" if message.kind is MessageKind.VIDEO else "What is said in it: read_file.")
    return told_reading(message, part, wanted)[0]


async def _thumbnail_left(services: Services, message: Message, error: MediaUnavailable) -> Result:
    """The answer where the file is gone.

    Raises:
        MediaUnavailable: There is no thumbnail either.
    """
    image = await thumbnail_block(services, message.ref)
    if image is None:
        raise error
    said = f"The file of #{message.ref} {described(message)} cannot be had any more: {error.message}"
    return Result(
        f"{said} Its thumbnail is shown.", DownloadData(ref=f"#{message.ref}", expired=True), (image,)
    )


@tool("core", Effect.READ, Audience.NOBODY, result=ReadingData, in_chat=True)
async def read_file(
    call: Call,
    message: MessageArg,
    pages: Annotated[str | None, Field(description="3, 2-5 or 7-")] = None,
) -> Result:
    """Text in a message's file: document, transcript, words in a picture."""
    wanted = Wanted.parse(pages)
    services = await call.services()
    stored_message = await services.archive.opened_file(message)
    if stored_message.media is None:
        raise MediaUnavailable("This message carries no file.", "Take a message of a media kind.")
    if stored_message.reading is None:
        async with services.device() as device:
            await device.do(files.read_file, stored_message.ref)
    part = await services.archive.reading(stored_message.ref, wanted.take, first=wanted.first)
    if part is None:
        raise MediaUnavailable("Nothing was read in this file.", "Try download_media.")
    return Result(*told_reading(stored_message, part, wanted))


TOOLS: Sequence[ToolFunction] = (send_file, download_media, read_file)
