"""Exported chats, read through the decoding process."""

from __future__ import annotations

from typing import BinaryIO, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.media import JobResult, Limits, Worker
from whatsapp_mcp.models import ExportedMessage

T = TypeVar("T")

_LIMITS: Final = Limits(seconds=120.0, cpu_seconds=60, output_bytes=256_000_000)
_FEW: Final = Limits(seconds=120.0, cpu_seconds=60, output_bytes=8_000_000)
_MESSAGES: Final = TypeAdapter(tuple[ExportedMessage, ...])
_AUTHORS: Final = TypeAdapter(dict[str, int])


async def read_chat_export(worker: Worker, file: BinaryIO) -> tuple[ExportedMessage, ...]:
    """The messages of a chat that WhatsApp exported, as `.txt` or `.zip`.

    Raises:
        InvalidArgument: It is no such export.
        TooLong, Unsupported, Busy: As `Worker.run`.
    """
    answer = await worker.run("chat_export", file, limits=_LIMITS)
    return _checked(_MESSAGES, answer)


async def read_chat_authors(worker: Worker, file: BinaryIO) -> dict[str, int]:
    """Return who wrote in an export, and how many of its messages are theirs.

    Raises:
        InvalidArgument, TooLong, Unsupported, Busy: As `read_chat_export`.
    """
    return _checked(_AUTHORS, await worker.run("chat_authors", file, limits=_FEW))


async def read_exported_file(worker: Worker, file: BinaryIO, name: str, most_bytes: int) -> bytes:
    """One file of such a zip.

    Raises:
        MediaUnavailable: There is no such file.
        InvalidArgument, TooLong, Unsupported, Busy: As `read_chat_export`.
    """
    limits = Limits(output_bytes=most_bytes)
    answer = await worker.run("exported_file", file, {"name": name, "bytes": most_bytes}, limits)
    return answer.content


def _checked(shape: TypeAdapter[T], answer: JobResult) -> T:
    """The answer of a process that a foreign file may have taken over."""
    try:
        return shape.validate_json(answer.content)
    except ValidationError:
        raise Unsupported("The decoding process answered with invalid data.", "Do not use it.") from None
