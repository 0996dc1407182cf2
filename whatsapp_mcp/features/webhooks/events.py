"""Which changes a webhook is told of, and what it is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from whatsapp_mcp.errors import Denied, InvalidArgument, MessageNotFound
from whatsapp_mcp.features.webhooks.sender import Event
from whatsapp_mcp.features.webhooks.signing import event_id
from whatsapp_mcp.jid import parse_number
from whatsapp_mcp.models import Caller, Change, ChatFacts, Message
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.reading import GuardedArchive
from whatsapp_mcp.server.render import ABOUT_A_MESSAGE, event_data

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.features.webhooks.settings import WebhookSettings
    from whatsapp_mcp.ledger import Ledger
    from whatsapp_mcp.settings import CurrentSettings

_SAID: Final = frozenset({"message", "edit", "revoke"})
"""Kinds of changes that the message's author made."""


class WebhookEvents:
    """The events of one webhook, as the rules for reading and the masking of codes leave them.

    Args:
        webhook: Whose they are.
        account: The account's name.
        archive: Where they are read.
        ledger: Remembers what is handed out.
        settings: The rules, as they are when an event is made.
    """

    def __init__(
        self,
        webhook: WebhookSettings,
        account: str,
        archive: ReadingArchive,
        ledger: Ledger,
        settings: CurrentSettings,
    ) -> None:
        self._webhook = webhook
        self._account = account
        self._archive = archive
        self._ledger = ledger
        self._settings = settings

    async def wanted(self, changes: Sequence[Change]) -> list[Change]:
        """Return the changes that the webhook asks for."""
        of_kind = [change for change in changes if change.kind in self._webhook.events]
        if not self._webhook.chats:
            return of_kind
        chats = {change.chat for change in of_kind if change.chat is not None}
        meant = {jid for jid in chats if await self._is_meant(jid)}
        # What is of no chat in particular, a purge of old messages, is of these too.
        return [change for change in of_kind if change.chat is None or change.chat in meant]

    async def _is_meant(self, jid: str) -> bool:
        facts = await self._archive.chat_facts(jid)
        return any(names(text, facts) for text in self._webhook.chats)

    async def event(self, change: Change) -> Event | None:
        """Return the event for a change; None if the rules forbid sending it, or nothing of it is left.

        Raises:
            Busy: It could not be written down that it leaves.
        """
        guarded = self._guarded()
        if not await guarded.readable((change,)):
            return None
        message = None
        if change.kind in ABOUT_A_MESSAGE and change.ref is not None:
            message = await _message(guarded, change.ref)
            if message is None:
                return None
            if message.from_me and not self._webhook.own:
                if change.kind in _SAID:
                    return None
                message = None  # what others do with the owner's words is told without them
        return self._made(event_id(change), event_data(change, message, self._settings.now().zone))

    async def find(self, seq: int) -> Change | None:
        """The change of a number; None if it is no longer kept."""
        changes = await self._archive.changes(seq - 1, limit=1)
        return changes[0] if changes and changes[0].seq == seq else None

    def missed(self, after: int, seq: int) -> Event:
        """Return the event for undelivered changes that are no longer kept.

        Args:
            after: The last change that was delivered.
            seq: The last of those that are gone.
        """
        return self._made(f"missed_{after}_{seq}", {"type": "missed", "after": after, "seq": seq})

    def _guarded(self) -> GuardedArchive:
        caller = Caller(f"webhook:{self._webhook.name}", "webhook", "webhook")
        return GuardedArchive(self._archive, self._ledger, Policy.of(self._settings.now()), caller)

    def _made(self, event: str, data: Any) -> Event:
        body = {**data, "account": self._account}
        return Event(event, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())


async def _message(archive: GuardedArchive, ref: int) -> Message | None:
    try:
        return await archive.message(ref)
    except (MessageNotFound, Denied):
        return None


def names(text: str, chat: ChatFacts) -> bool:
    """Return whether a text of the settings names a chat: its number, its jid, or exactly its name.

    A person's name is that of the phone's address book: anybody may call themselves as somebody else.
    """
    if text in {chat.jid, chat.lid}:
        return True
    if chat.name is not None and text == chat.name and (chat.is_known or not chat.is_person):
        return True
    try:
        return chat.number is not None and parse_number(text).number == chat.number
    except InvalidArgument:
        return False
