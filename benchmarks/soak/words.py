"""A message as one line: the same line for what was asked for, what arrived and what is kept.

Texts and captions stand for themselves; what changes another message names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator.envelope import text_of


def edit(target: str, text: str) -> str:
    """Another text for the message with the id `target`."""
    return f"edit of {target}: {text}"


def revoke(target: str) -> str:
    """The message with the id `target` is deleted for everyone."""
    return f"revoke of {target}"


def reaction(target: str, emoji: str) -> str:
    """An emoji under the message with the id `target`."""
    return f"reaction to {target}: {emoji}"


def of_message(message: E2E.Message) -> str:
    """The words of a message as somebody got it."""
    if message.HasField("editedMessage"):
        message = message.editedMessage.message
    if message.HasField("reactionMessage"):
        return reaction(message.reactionMessage.key.ID, message.reactionMessage.text)
    if message.HasField("protocolMessage"):
        change = message.protocolMessage
        if change.type == E2E.ProtocolMessage.MESSAGE_EDIT:
            return edit(change.key.ID, text_of(change.editedMessage))
        if change.type == E2E.ProtocolMessage.REVOKE:
            return revoke(change.key.ID)
    return text_of(message)


def of_content(content: Mapping[str, Any]) -> str:
    """The words of a send's content, as the outbox keeps it."""
    match content["kind"]:
        case "text":
            return content["text"]
        case "edit":
            return edit(content["message_id"], content["text"])
        case "revoke":
            return revoke(content["message_id"])
        case "reaction":
            return reaction(content["message_id"], content["emoji"])
        case _:
            return content["caption"]
