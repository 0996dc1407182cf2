"""Limits of a caller that is bound to one chat (`Caller.chat`), beyond the chat that it names.

The policy refuses whatever reaches another chat (`policy.decide`). What names no chat is checked here: a
message by its number, a question by its id, what a send takes out of other chats, or from this computer.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import Denied, MessageNotFound
from whatsapp_mcp.ledger import Ledger
from whatsapp_mcp.models import (
    Activity,
    Caller,
    Permit,
    PollContent,
    ReactionContent,
    SendRequest,
    TextContent,
    VoteContent,
)

_SENT: Final = (TextContent, PollContent, ReactionContent, VoteContent)
"""Contents that such a caller may send: its own words. Files and cards could hold what other chats, or this
computer, contain; what is edited, deleted, pinned or replaced may be the person's."""


async def require_inside(
    archive: Archive, ledger: Ledger, arguments: Mapping[str, Any], caller: Caller
) -> None:
    """Refuse what would take something of another chat into this one; whoever is not bound passes.

    Raises:
        Denied: The arguments of an operation name something beyond the chat.
    """
    if caller.chat and not await _are_inside(archive, ledger, arguments, caller):
        raise Denied(
            "This agent is bound to one chat.", "Answer there in your own words; do not try another way."
        )


async def _are_inside(archive: Archive, ledger: Ledger, arguments: Mapping[str, Any], caller: Caller) -> bool:
    if (ref := arguments.get("ref")) is not None:
        with suppress(MessageNotFound):
            return (await archive.message(ref)).chat == await canonical(archive, caller.chat)
        return False
    if isinstance(number := arguments.get("number"), str):
        return ledger.approvals.get(number).principal == caller.principal
    if isinstance(wanted := arguments.get("wanted"), Permit):
        return wanted.wants in {"reveal", "release"} and bool(wanted.chats)
    if isinstance(request := arguments.get("request"), SendRequest):
        is_reply = request.reply_chat in {None, request.chat}
        return isinstance(request.content, _SENT) and is_reply and request.replaces is None
    return True


async def canonical(archive: Archive, chat: str) -> str:
    """The jid under which the archive has a chat."""
    return (await archive.chat_facts(chat)).jid


async def seen_from(archive: Archive, activity: Activity, caller: Caller) -> Activity:
    """Limit an activity to what the caller may know: a caller bound to one chat sees typing only there."""
    if not caller.chat:
        return activity
    chat = await canonical(archive, caller.chat)
    return replace(activity, typing=tuple(each for each in activity.typing if each == chat))
