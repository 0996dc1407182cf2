"""Files: sending and fetching."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import anyio.to_thread
from mcp.types import ContentBlock, ImageContent, ResourceLink
from pydantic import Field

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import FileContent, SendRequest
from whatsapp_mcp.server.arguments import ChatArg, MessageArg, find_chat
from whatsapp_mcp.server.call import Call
from whatsapp_mcp.server.intake import Taken, take
from whatsapp_mcp.server.registry import ToolFunction, tool
from whatsapp_mcp.server.render.data import SentData, media_data
from whatsapp_mcp.server.render.text import media_text
from whatsapp_mcp.server.results import Result
from whatsapp_mcp.server.tools.sending import require_on_whatsapp, send, sent

if TYPE_CHECKING:
    from collections.abc import Sequence

FileKind = Literal["image", "video", "gif", "audio", "voice", "document", "sticker"]
INLINE_PIXELS: Final = 1024
_HEAD: Final = 64
_AS_IMAGE: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
_AS_VIDEO: Final = frozenset({"video/mp4", "video/quicktime"})
_WITHOUT_CAPTION: Final = frozenset({"audio", "voice", "sticker"})
VOICE_MIME: Final = "audio/ogg; codecs=opus"


@tool("core", result=SentData)
async def send_file(
    call: Call,
    chat: ChatArg,
    path: Annotated[str | None, Field(description="In an allowed folder")] = None,
    url: str | None = None,
    data: Annotated[str | None, Field(description="Base64")] = None,
    kind: Annotated[FileKind | None, Field(description="Else judged by content")] = None,
    caption: str = "",
    file_name: str | None = None,
    view_once: bool = False,
    reply_to: MessageArg | None = None,
    idempotency_key: str | None = None,
) -> Result:
    """Send a file from path, url or data; kind voice makes a voice note."""
    services = await call.services()
    target = await find_chat(services, chat)
    reply_id = (await services.archive.message(reply_to, chat=target.jid)).message_id if reply_to else None
    taken = await take(services, path, url, data)
    content = await anyio.to_thread.run_sync(_content, taken, kind, caption, file_name, view_once)
    await require_on_whatsapp(services, target)
    request = SendRequest(target.jid, content, reply_to=reply_id, idempotency_key=idempotency_key)
    return sent(await send(services, request), target, services)


def kind_of(mime_type: str) -> FileKind:
    """How a file of this type is shown when nothing is asked for."""
    if mime_type in _AS_IMAGE:
        return "image"
    if mime_type in _AS_VIDEO:
        return "video"
    return "audio" if mime_type.startswith("audio/") else "document"


def _content(
    taken: Taken, kind: FileKind | None, caption: str, file_name: str | None, view_once: bool
) -> FileContent:
    from whatsapp_mcp.device import media

    with taken.path.open("rb") as file:
        seen = media.mime_type_of(file.read(_HEAD))
    name = file_name or taken.name or f"file{mimetypes.guess_extension(seen or '') or '.bin'}"
    mime_type = seen or mimetypes.guess_type(name)[0] or "application/octet-stream"
    chosen = kind or kind_of(mime_type)
    _require_fitting(chosen, mime_type)
    if caption and chosen in _WITHOUT_CAPTION:
        raise InvalidArgument(f"WhatsApp shows no caption under {chosen}.", "Send the text as a message.")
    path, wave, looks = taken.path, None, media.Looks()
    if chosen == "voice" and not media.is_opus(path):
        path = path.with_name(f"{path.stem}.voice.ogg")
        duration, bars = media.voice_note(taken.path, path)
        looks, wave = media.Looks(duration), base64.b64encode(bars).decode()
    elif chosen != "document":
        looks = media.look(path)
    return FileContent(
        kind=chosen,
        path=str(path),
        mime_type=VOICE_MIME if chosen == "voice" else mime_type,
        caption=caption,
        file_name=name,
        duration=looks.duration if chosen not in {"image", "sticker"} else None,
        width=looks.width,
        height=looks.height,
        waveform=wave,
        thumbnail=base64.b64encode(looks.thumbnail).decode() if looks.thumbnail else None,
        view_once=view_once and chosen in {"image", "video", "voice"},
    )


def _require_fitting(kind: FileKind, mime_type: str) -> None:
    fits = {
        "image": mime_type in _AS_IMAGE,
        "sticker": mime_type == "image/webp",
        "video": mime_type in _AS_VIDEO,
        "gif": mime_type in _AS_VIDEO,
        "audio": mime_type.startswith("audio/"),
        "voice": mime_type.startswith(("audio/", "video/")),
        "document": True,
    }
    if not fits[kind]:
        raise InvalidArgument(
            f"The content is {mime_type}, which cannot be sent as {kind}.",
            "Leave kind out, or send it with kind document.",
        )


@tool("core", reads=True)
async def download_media(call: Call, message: MessageArg) -> Result:
    """Fetch the file of a message; images are shown, others answered as a link to the local file."""
    services = await call.services()
    found = await services.archive.message(message)
    source = await services.archive.media_source(found.ref)
    async with services.device() as device:
        path = Path(await device.download(found.ref))
    size = (await anyio.to_thread.run_sync(path.stat)).st_size
    mime_type = (
        source.mime_type or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    ).partition(";")[0]
    extra: tuple[ContentBlock, ...] = (
        ResourceLink(type="resource_link", uri=path.as_uri(), name=path.name, mime_type=mime_type, size=size),
    )
    if mime_type.startswith("image/"):
        from whatsapp_mcp.device import media

        jpeg = await anyio.to_thread.run_sync(media.picture, path, INLINE_PIXELS)
        if jpeg:
            shown = base64.b64encode(jpeg).decode()
            extra = (ImageContent(type="image", data=shown, mime_type="image/jpeg"),)
    known: dict[str, Any] = {
        **(media_data(found.media) if found.media else {}),
        "path": str(path),
        "size": size,
    }
    text = f"#{found.ref} {media_text(found.kind, found.media)} is at {path}."
    return Result(text, {"ref": f"#{found.ref}", "mime_type": mime_type, **known}, extra)


TOOLS: Sequence[ToolFunction] = (send_file, download_media)
