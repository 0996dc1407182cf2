"""The file of a message: fetched, and told by its content."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from whatsapp_mcp import media
from whatsapp_mcp.errors import TooLong
from whatsapp_mcp.models import file_words_are_senders
from whatsapp_mcp.server.calls import BASE
from whatsapp_mcp.server.fencing import media_type, titled
from whatsapp_mcp.server.render import Wanted, kind_text, media_data, reading_data, reading_text

if TYPE_CHECKING:
    from whatsapp_mcp.models import FileReading, Message
    from whatsapp_mcp.server.calls import Services
    from whatsapp_mcp.server.fencing import Text
    from whatsapp_mcp.server.render import ReadingData

MEDIA_URI: Final = "whatsapp://media/{ref}"
"""Under which the file of a message is read."""
_UNKNOWN: Final = "application/octet-stream"
_SHOWN: Final = frozenset({"image", "video", "audio"})


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """The file of a message, on this computer.

    Attributes:
        size: Bytes.
        mime_type: By its content; its sender only says it more exactly.
    """

    path: Path
    size: int
    mime_type: str


def media_uri(base: str, ref: int) -> str:
    """The URI of the file of the message with this ref.

    Args:
        base: Of the account's resources (`Services.base`).
        ref: Of the message.
    """
    return f"{base}{MEDIA_URI.removeprefix(BASE)}".format(ref=ref)


async def fetch_file(services: Services, found: Message) -> FetchedFile:
    """The file of a message that was opened, fetched if it is not here.

    Raises:
        TooLong: It is larger than files that are fetched.
        MediaUnavailable: The message has none, or WhatsApp no longer has it.
        WhatsAppError: It cannot be fetched now.
    """
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
    given = media_type(source.mime_type or "") or ""
    return FetchedFile(path, size, await anyio.to_thread.run_sync(_type_of, path, given))


async def content_of(fetched: FetchedFile) -> bytes:
    """All of a file."""
    return await anyio.Path(fetched.path).read_bytes()


def described(message: Message) -> str:
    """`[document 1.2 MB] “plan.pdf”`; the name is the sender's."""
    facts = media_data(message.media) if message.media else {}
    name = facts.pop("file_name", None)
    return kind_text(message.kind.value, facts) + (f" {titled(name)}" if name else "")


def told_reading(message: Message, part: FileReading, wanted: Wanted) -> tuple[Text, ReadingData]:
    """A part of what was read in the file of a message, for a model and for programs."""
    data = reading_data(message.ref, part, wanted)
    what = f"#{message.ref} {described(message)}"
    return reading_text(data, what, cut=part.cut, of_sender=file_words_are_senders(message)), data


def _type_of(path: Path, given: str) -> str:
    with path.open("rb") as file:
        found = media.format_of(file.read(media.HEAD_BYTES))
    if found is not None and not found.refers and not _may_refine(given, found.mime_type):
        return found.mime_type
    said = given or mimetypes.guess_type(path.name)[0] or _UNKNOWN
    # What plays or shows is known by its content: text that is called a picture is none.
    is_known = found is not None and not found.refers
    return said if is_known or said.partition("/")[0] not in _SHOWN else _UNKNOWN


def _may_refine(given: str, found: str) -> bool:
    """Whether a sender's type may say more than the content, as which document is in a ZIP."""
    family = found.partition("/")[0]
    return family != "image" and given.partition("/")[0] == family
