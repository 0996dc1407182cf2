"""Files that an agent wants to send: from an allowed folder, from the web, or from the call itself.

Whatever their origin they are copied into the account's folder first, so that they are still there when they
are sent, and what was looked at is what goes out. They are judged by content, and made as WhatsApp's own apps
make them.

Pictures become JPEG without what the camera noted (place, time, device), or WebP as stickers; animated ones
a silent looping video, sound a voice note. Documents, videos and audio go as they are. Without PyAV so do
animated pictures, and a voice note must be Opus already.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import mimetypes
import os
import re
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

import anyio
import anyio.to_thread
from pydantic import Field

from whatsapp_mcp import media
from whatsapp_mcp.device.operations import approvals
from whatsapp_mcp.errors import (
    Busy,
    Candidate,
    FileNotAllowed,
    InvalidArgument,
    TooLong,
    Unsupported,
    WhatsAppError,
)
from whatsapp_mcp.files.allowed_files import open_allowed
from whatsapp_mcp.files.media_folder import require_room
from whatsapp_mcp.media import fetch
from whatsapp_mcp.models import FileContent, Permit
from whatsapp_mcp.system import write_private

if TYPE_CHECKING:
    from whatsapp_mcp.server.calls import Services

_OFFERED: Final = 20
"""Files that are named when the one that was given is none."""
_SAFE: Final = re.compile(r"[^\w.\- ()]+")
PhotoArg = Annotated[str, Field(description="Image: path or URL")]
_PIXELS: Final = 640
"""A side of the largest picture that WhatsApp keeps."""
FileKind = Literal["image", "video", "gif", "audio", "voice", "document", "sticker"]
STANDARD_PIXELS: Final = 1600
HD_PIXELS: Final = 4096
"""Longest sides that WhatsApp's own apps send, without and with HD."""
VOICE_MIME: Final = "audio/ogg; codecs=opus"
_WEBP: Final = "image/webp"
_GIF: Final = "image/gif"
_VIDEOS: Final = frozenset({"video/mp4", "video/quicktime"})
_WITHOUT_CAPTION: Final = frozenset({"audio", "voice", "sticker"})
_ONCE: Final = frozenset({"image", "video", "voice"})
"""Kinds that WhatsApp can show once; with others the wish has no effect."""
_WITHOUT_EXTRA: Final[dict[FileKind, str]] = {
    "document": "To play as a GIF it needs the extra `media` of this server.",
    "video": "Its preview and length need the extra `media` of this server.",
    "audio": "Its length needs the extra `media` of this server.",
    "voice": "Its waveform and length need the extra `media` of this server.",
}


@dataclass(frozen=True, slots=True)
class FileCopy:
    """A private copy of what is to be sent, its name, and where it is from: a path, a URL, or the call."""

    path: Path
    name: str
    origin: str = ""


class Origin(NamedTuple):
    """The source of a file: exactly one of the path, the URL, and the content in base64."""

    path: str | None = None
    url: str | None = None
    data: str | None = None


def origin_of(given: str) -> Origin:
    """A text that is a path, a URL of the web or a `data:` URL."""
    match given.partition(":")[0].lower():
        case "http" | "https" | "file":
            return Origin(url=given)
        case "data":
            return Origin(data=given)
        case _:
            return Origin(path=given)


async def take(services: Services, origins: Sequence[Origin]) -> list[FileCopy]:
    """Copy files to be sent into the account's folder; requests to all URLs are one question to a person.

    Raises:
        InvalidArgument: A file has no origin or several, or it cannot be read.
        FileNotAllowed: A path is outside the allowed folders or of a copy on its way out, or a URL leads into
            a private network.
        MediaUnavailable: A URL does not answer with a file.
        TooLong: One is larger than `media.max_megabytes`.
        Busy: It cannot be stored now, or there is no room for it.
        ApprovalRequired: A person has to allow the requests to the URLs first; nothing was requested.
    """
    if any(sum(given is not None for given in origin) != 1 for origin in origins):
        raise InvalidArgument("Give exactly one of path, url and data.")
    if urls := tuple(origin.url for origin in origins if origin.url is not None):
        async with services.device() as device:
            await device.do(approvals.permit, Permit("fetch", (), urls))
    return [await _taken(services, origin) for origin in origins]


async def _taken(services: Services, origin: Origin) -> FileCopy:
    limit = services.settings.media.max_megabytes * 1_000_000
    account = services.settings.account_folder(services.account)
    account.outgoing.mkdir(mode=0o700, parents=True, exist_ok=True)
    if origin.path is not None:
        named = await services.roots()
        content, source = await anyio.to_thread.run_sync(_read, services, origin.path, limit, named)
        name, whence = source.name, str(source)
    elif origin.url is not None:
        fetched = await fetch(origin.url, limit, proxy=services.settings.network.proxy_url)
        content, name, whence = fetched.content, fetched.name, origin.url
    else:
        content, name, whence = _decoded(origin.data or ""), "", ""
    _check_size(len(content), limit)
    if not content:
        raise InvalidArgument("The file is empty.")
    await anyio.to_thread.run_sync(require_room, account.media, len(content), services.settings.media)
    # Named after its content, so that a repeated call stores no second copy.
    target = account.outgoing / (hashlib.sha256(content).hexdigest()[:24] + Path(name).suffix.lower()[:10])
    await anyio.to_thread.run_sync(store_file, target, content)
    return FileCopy(target, _SAFE.sub("_", name), whence)


def store_file(path: Path, content: bytes) -> None:
    """Write a private file as `write_private` does, with an error that a tool can return.

    Raises:
        Busy: It cannot be written now.
    """
    try:
        write_private(path, content)
    except OSError as error:
        raise Busy(
            f"The file could not be stored: {error.strerror}.",
            "Tell the user to check the disk's free space.",
        ) from error


def _read(services: Services, given: str, limit: int, named: Sequence[Path]) -> tuple[bytes, Path]:
    """Content and path of a file in an allowed folder, or in one that the application names."""
    settings = services.settings
    account = settings.account_folder(services.account)
    roots = [*settings.media.roots, *named, account.media]
    path = in_a_root(given, roots)
    if _is_in(path, account.outgoing):
        # Made smaller, it would be a file of which nobody can tell from which chat it is.
        raise FileNotAllowed("That is a copy of a file on its way out.", "Give the file itself.")
    try:
        with open_allowed(path, roots, settings.home) as file:
            _check_size(os.fstat(file.fileno()).st_size, limit)
            # The file may have grown since: one byte too many is seen by the check of the content.
            return file.read(limit + 1), path
    except FileNotAllowed as error:
        folders = ", ".join(map(str, roots))
        raise FileNotAllowed(error.message, f"Allowed: {folders} (setting media.roots).") from error
    except InvalidArgument as error:
        near = [Candidate(address=each) for each in _files_near(path.resolve())]
        raise InvalidArgument(error.message, error.action, candidates=near) from error


def _is_in(path: Path, folder: Path) -> bool:
    """Return whether a path leads into a folder, by any links or spelling."""
    with suppress(OSError, RuntimeError):
        return any(parent.exists() and parent.samefile(folder) for parent in path.resolve().parents)
    return False


def in_a_root(given: str, roots: Sequence[Path]) -> Path:
    """A path as it is, or, where it says no folder from the root on, in the first allowed one that has it."""
    path = Path(given)
    with suppress(OSError, RuntimeError):  # a name that is too long, an unknown `~user`
        path = path.expanduser()
        if not path.is_absolute():
            return next((there for root in roots if (there := root / path).exists()), path)
    return path


def _files_near(path: Path) -> list[str]:
    """The newest files of a folder, or of the folder in which a file was looked for."""
    folder = path if path.is_dir() else path.parent
    try:
        with os.scandir(folder) as entries:
            files = [(entry.stat().st_mtime, entry.path) for entry in entries if entry.is_file()]
    except OSError:
        return []
    return [name for _, name in sorted(files, reverse=True)[:_OFFERED]]


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        what = f"The file is larger than {limit // 1_000_000} MB."
        raise TooLong(what, "Send a smaller one (setting media.max_megabytes).")


def _decoded(data: str) -> bytes:
    body = data.partition(",")[2] if data.startswith("data:") else data
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except binascii.Error as error:
        raise InvalidArgument("data is not base64.") from error


class Photo(NamedTuple):
    """Path of a JPEG of the right size, and path or URL of what it was made of."""

    path: str
    origin: str


async def photo_of(services: Services, given: str) -> Photo:
    """A photo made of an image in an allowed folder or on the web.

    Raises:
        InvalidArgument: It is no picture that can be read.
        FileNotAllowed, MediaUnavailable, TooLong: As `intake.take`.
    """
    [taken] = await take(services, [origin_of(given)])
    async with await anyio.open_file(taken.path, "rb") as opened:
        try:
            made = await media.picture(services.worker, opened.wrapped, _PIXELS)
        except Unsupported as error:
            raise InvalidArgument("The photo cannot be read as an image.", "Give a JPEG or a PNG.") from error
    target = taken.path.with_suffix(".photo.jpg")
    await anyio.to_thread.run_sync(store_file, target, made.content)
    return Photo(str(target), taken.origin)


@dataclass(frozen=True, slots=True)
class Presentation:
    """Requested presentation of a file.

    Attributes:
        kind: None leaves it to the content.
        hd: Pictures are sent up to 4096 pixels a side rather than 1600.
    """

    kind: FileKind | None = None
    caption: str = ""
    file_name: str | None = None
    view_once: bool = False
    hd: bool = False


async def prepare(worker: media.Worker, taken: FileCopy, wish: Presentation) -> FileContent:
    """The content to send for a file.

    Raises:
        InvalidArgument: The content cannot be shown as wished.
        Unsupported: It cannot be converted (PyAV is missing, or it cannot be read).
        TooLong: It costs more than is allowed, or a GIF is longer than a minute.
        Busy: It cannot be read or stored now.
    """
    async with await anyio.open_file(taken.path, "rb") as opened:
        return await _prepared(worker, opened.wrapped, taken, wish)


def what_the_extra_adds(content: FileContent, wish: Presentation) -> str | None:
    """A sentence on what is left out because PyAV is missing; None where nothing is."""
    if media.reads_recordings() or wish.kind == "document":
        return None
    if content.kind == "document" and content.mime_type != _GIF:
        return None
    return _WITHOUT_EXTRA.get(content.kind)


async def _prepared(
    worker: media.Worker, file: IO[bytes], taken: FileCopy, wish: Presentation
) -> FileContent:
    head = await anyio.to_thread.run_sync(file.read, media.HEAD_BYTES)
    seen = media.format_of(head)
    extension = (mimetypes.guess_extension(seen.mime_type) if seen else None) or ".bin"
    name = wish.file_name or taken.name or f"file{extension}"
    mime_type = seen.mime_type if seen else mimetypes.guess_type(name)[0] or "application/octet-stream"
    kind = wish.kind or await _kind_of(worker, file, seen, mime_type)
    _require_fitting(kind, seen, mime_type)
    if wish.caption and kind in _WITHOUT_CAPTION:
        raise InvalidArgument(f"WhatsApp shows no caption under {kind}.", "Send the text as a message.")
    content = FileContent(
        kind=kind,
        path=str(taken.path),
        mime_type=mime_type,
        caption=wish.caption,
        file_name=name,
        view_once=wish.view_once and kind in _ONCE,
        origin=taken.origin,
    )
    match kind:
        case "document":
            return content
        case "image":
            largest = HD_PIXELS if wish.hd else STANDARD_PIXELS
            made = await media.picture(worker, file, largest)
            return await _stored(content, made, f"{largest}.jpg", "image/jpeg")
        case "sticker" if mime_type == _WEBP:
            return await _with_looks(content, media.look_at_picture(worker, file))
        case "sticker":
            return await _stored(content, await media.sticker(worker, file), "sticker.webp", _WEBP)
        case "gif":
            return await _stored(content, await media.looping_video(worker, file), "gif.mp4", "video/mp4")
        case "voice" if b"OpusHead" in head and head.startswith(b"OggS"):
            content = replace(content, mime_type=VOICE_MIME)
            return await _with_looks(content, media.listen(worker, file))
        case "voice":
            return await _stored(content, await media.voice_note(worker, file), "voice.ogg", VOICE_MIME)
        case "video" | "audio":
            return await _with_looks(content, media.look_at_recording(worker, file))


async def _kind_of(
    worker: media.Worker, file: IO[bytes], seen: media.Format | None, mime_type: str
) -> FileKind:
    """Return the kind of a file of this format if none is requested."""
    if seen is not None and seen.is_picture:
        if mime_type != _GIF or not (await media.look_at_picture(worker, file)).moves:
            return "image"
        return "gif" if media.reads_recordings() else "document"
    if mime_type in _VIDEOS:
        return "video"
    return "audio" if mime_type.startswith("audio/") else "document"


def _require_fitting(kind: FileKind, seen: media.Format | None, mime_type: str) -> None:
    is_picture = seen is not None and seen.is_picture
    fits = {
        "image": is_picture,
        "sticker": is_picture,
        "video": mime_type in _VIDEOS,
        "gif": mime_type in _VIDEOS | {_GIF, _WEBP},
        "audio": mime_type.startswith("audio/"),
        "voice": mime_type.startswith(("audio/", "video/")),
        "document": True,
    }
    if not fits[kind]:
        raise InvalidArgument(
            f"The content is {seen.label if seen else mime_type}, which cannot be sent as {kind}.",
            "Leave kind out, or send it with kind document.",
        )


async def _stored(content: FileContent, made: media.DerivedFile, suffix: str, mime_type: str) -> FileContent:
    """With what was made of the file in its place."""
    path = Path(content.path)
    target = path.with_name(f"{path.stem}.{suffix}")
    await anyio.to_thread.run_sync(store_file, target, made.content)
    return _looking(replace(content, path=str(target), mime_type=mime_type), made.looks)


async def _with_looks(content: FileContent, looking: Awaitable[media.Looks]) -> FileContent:
    """With its size, its length and a preview, as far as they can be seen; it goes as it is in any case."""
    with suppress(WhatsAppError):
        return _looking(content, await looking)
    return content


def _looking(content: FileContent, looks: media.Looks) -> FileContent:
    return replace(
        content,
        duration=looks.duration,
        width=looks.width,
        height=looks.height,
        thumbnail=_encoded(looks.thumbnail),
        waveform=_encoded(looks.waveform),
    )


def _encoded(data: bytes | None) -> str | None:
    return base64.b64encode(data).decode() if data else None
