"""Files of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsapp_mcp.policy import Effect, has_effect

if TYPE_CHECKING:
    from whatsapp_mcp.device.files import Files


@has_effect(Effect.READ, in_chat=True)
async def download(files: Files, ref: int) -> str:
    """Fetch the file of a message, unless it is here; answers its path.

    Raises:
        MessageNotFound: No such message.
        MediaUnavailable: It carries no file, or WhatsApp no longer has it.
    """
    return await files.download(ref)


@has_effect(Effect.READ, in_chat=True)
async def read_file(files: Files, ref: int) -> None:
    """Fetch the file of a message and read it, unless that was done: then the archive has its reading.

    Raises:
        MessageNotFound: No such message.
        MediaUnavailable: It carries no file, or WhatsApp no longer has it.
        Unsupported: There is nothing to read in it, or nothing here that reads it.
        TooLong: It is over a limit.
        DeadlineExceeded: It takes longer than a caller waits; it is read all the same.
    """
    await files.read_file(ref)
