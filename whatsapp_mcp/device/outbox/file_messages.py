"""Files as WhatsApp's protobuf: uploaded ones, and those of a message that is forwarded."""

from __future__ import annotations

import re
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from whatsapp_mcp.errors import MediaUnavailable
from whatsapp_mcp.models import FileContent, Media, Message, MessageKind
from whatsapp_mcp.protobufs.bounded import parsed

if TYPE_CHECKING:
    from whatsapp_mcp.models import MediaSource
    from whatsapp_mcp.protobufs import E2E

_UPLOADED_AS: Final = {
    "image": "image",
    "video": "video",
    "gif": "video",
    "audio": "audio",
    "voice": "audio",
    "document": "document",
    "sticker": "sticker",
}
"""Kind of a file to the kind under which WhatsApp's servers have it."""


async def file_message(
    content: FileContent, call: Callable[[str, dict[str, Any]], Awaitable[Any]]
) -> E2E.Message:
    """Upload the file and describe it.

    Raises:
        WhatsAppError: It could not be uploaded.
    """
    from whatsapp_mcp.protobufs import E2E, Neonize

    answer = await call("upload", {"path": content.path, "kind": _UPLOADED_AS[content.kind]})
    uploaded = parsed(Neonize.UploadResponse, b64decode(answer))
    keys: dict[str, Any] = {
        "URL": uploaded.url,
        "directPath": uploaded.DirectPath,
        "mediaKey": uploaded.MediaKey,
        "fileEncSHA256": uploaded.FileEncSHA256,
        "fileSHA256": uploaded.FileSHA256,
        "fileLength": uploaded.FileLength,
        "mediaKeyTimestamp": int(time.time()),
        "mimetype": content.mime_type,
    }
    if content.mentions:
        keys["contextInfo"] = E2E.ContextInfo(mentionedJID=list(content.mentions))
    message = _described(content, keys)
    if content.view_once:
        return E2E.Message(viewOnceMessage=E2E.FutureProofMessage(message=message))
    return message


def _described(content: FileContent, keys: dict[str, Any]) -> E2E.Message:
    from whatsapp_mcp.protobufs import E2E

    thumbnail = b64decode(content.thumbnail) if content.thumbnail else b""
    shown: dict[str, Any] = {"caption": content.caption} if content.caption else {}
    if thumbnail:
        shown["JPEGThumbnail"] = thumbnail
    if content.view_once:
        shown["viewOnce"] = True
    size: dict[str, Any] = {"width": content.width, "height": content.height} if content.width else {}
    match content.kind:
        case "image":
            return E2E.Message(imageMessage=E2E.ImageMessage(**keys, **shown, **size))
        case "video" | "gif":
            video = E2E.VideoMessage(
                **keys, **shown, **size, seconds=content.duration or 0, gifPlayback=content.kind == "gif"
            )
            return E2E.Message(videoMessage=video)
        case "audio" | "voice":
            wave: dict[str, Any] = {"waveform": b64decode(content.waveform)} if content.waveform else {}
            audio = E2E.AudioMessage(
                **keys, **wave, seconds=content.duration or 0, PTT=content.kind == "voice"
            )
            return E2E.Message(audioMessage=audio)
        case "sticker":
            return E2E.Message(stickerMessage=E2E.StickerMessage(**keys, **size))
        case "document":
            # `DocumentMessage` has no such field; the wrapper says it.
            shown.pop("viewOnce", None)
            name = content.file_name or "file"
            return E2E.Message(
                documentMessage=E2E.DocumentMessage(**keys, **shown, fileName=name, title=name)
            )


def put_into_album(message: E2E.Message, chat: str, album: str) -> None:
    """Make a file one of an own album, which WhatsApp knows by this id."""
    from whatsapp_mcp.protobufs import E2E

    association = message.messageContextInfo.messageAssociation
    association.associationType = E2E.MessageAssociation.MEDIA_ALBUM
    association.parentMessageKey.remoteJID = chat
    association.parentMessageKey.fromMe = True
    association.parentMessageKey.ID = album


_PATH: Final = re.compile(r"/[^/\\\s@][^\s@\\]*")
"""A path on WhatsApp's media servers: with their name before it, it cannot become another server's."""


def forwarded_file(message: Message, source: MediaSource, context: E2E.ContextInfo) -> E2E.Message:
    """The file of an archived message once more, with the keys it came with.

    Raises:
        MediaUnavailable: Its keys or its place on WhatsApp's servers are not known.
    """
    from whatsapp_mcp.protobufs import E2E

    if not (source.direct_path and source.media_key and source.sha256 and source.enc_sha256):
        raise MediaUnavailable("The keys of this file were never received.")
    if _PATH.fullmatch(source.direct_path) is None:
        raise MediaUnavailable("The place of this file is none on WhatsApp's servers.")
    keys: dict[str, Any] = {
        # Not `URL`: the sender chose it, and it may lead anywhere.
        "directPath": source.direct_path,
        "mediaKey": source.media_key,
        "fileSHA256": source.sha256,
        "fileEncSHA256": source.enc_sha256,
        "fileLength": source.size or 0,
        "mimetype": source.mime_type or "",
        "contextInfo": context,
    }
    caption: dict[str, Any] = {"caption": message.spoken} if message.text else {}
    media = message.media or Media()
    duration = media.duration or 0
    pixels: dict[str, Any] = {"width": media.width, "height": media.height} if media.width else {}
    match message.kind:
        case MessageKind.IMAGE:
            return E2E.Message(imageMessage=E2E.ImageMessage(**keys, **caption, **pixels))
        case MessageKind.VIDEO | MessageKind.GIF:
            gif = message.kind is MessageKind.GIF
            return E2E.Message(
                videoMessage=E2E.VideoMessage(**keys, **caption, **pixels, seconds=duration, gifPlayback=gif)
            )
        case MessageKind.AUDIO | MessageKind.VOICE:
            voice = message.kind is MessageKind.VOICE
            return E2E.Message(audioMessage=E2E.AudioMessage(**keys, seconds=duration, PTT=voice))
        case MessageKind.STICKER:
            return E2E.Message(stickerMessage=E2E.StickerMessage(**keys, **pixels))
        case _:
            name = source.file_name or "file"
            return E2E.Message(
                documentMessage=E2E.DocumentMessage(**keys, **caption, fileName=name, title=name)
            )
