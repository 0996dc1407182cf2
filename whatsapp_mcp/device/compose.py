"""What is sent, as WhatsApp's protobuf.

A plain text goes as `conversation`; one that answers or mentions somebody as `extendedTextMessage` with a
`contextInfo`, as WhatsApp's own apps do.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from whatsapp_mcp.errors import MessageNotFound
from whatsapp_mcp.models import Message, SendRequest

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.protobufs import E2E


async def compose(request: SendRequest, archive: ReadingArchive) -> str:
    """The E2E message of a request, in base64.

    Raises:
        MessageNotFound: The message that is answered is not in the archive.
    """
    quoted = None
    if request.reply_to is not None:
        quoted = await archive.message(request.reply_to, chat=request.chat)
    return b64encode(message_of(request, quoted).SerializeToString()).decode()


def message_of(request: SendRequest, quoted: Message | None = None) -> E2E.Message:
    """The E2E message of a request that answers `quoted`."""
    from whatsapp_mcp.protobufs import E2E

    content = request.content
    if quoted is None and not content.mentions:
        return E2E.Message(conversation=content.text)
    context = E2E.ContextInfo(mentionedJID=list(content.mentions))
    if quoted is not None:
        if not quoted.sender:
            raise MessageNotFound("It is not known who wrote the message that is answered.")
        context.stanzaID = quoted.message_id
        context.participant = quoted.sender
        context.quotedMessage.conversation = quoted.text
    extended = E2E.ExtendedTextMessage(text=content.text, contextInfo=context)
    return E2E.Message(extendedTextMessage=extended)
