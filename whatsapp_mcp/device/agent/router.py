"""Which messages are handed on, and to whom: everything that is archived passes here once, in its order."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import MessageNotFound
from whatsapp_mcp.ledger import Incoming, Ledger
from whatsapp_mcp.models import Change, ChatFacts, Message, MessageKind
from whatsapp_mcp.policy import agent_of
from whatsapp_mcp.settings import AgentKind, AgentSettings, CurrentSettings

_BATCH: Final = 500
_OLDEST: Final = timedelta(days=1)
"""Age of a message that nobody expects an answer to any more."""
_QUEUED: Final = ("command", "channel")
"""Agents for whom messages wait; clients read the archive themselves."""
_NO_WORDS: Final = frozenset({MessageKind.SYSTEM, MessageKind.CALL, MessageKind.UNDECRYPTABLE})
PAIR: Final = "pair "
"""Prefix that the person writes on the phone before a code, to let a stranger in."""

logger = logging.getLogger(__name__)


class Router:
    """Fills the queue of what is handed on.

    Args:
        archive: Where messages are found, by the numbers of its change feed.
        ledger: Has the queue.
        settings: Say which chats have an agent.
        now: The wall clock.
        tell_stranger: Called with the jid of a stranger who writes, where they may ask to be let in.
        let_in: Called with the code that the person wrote on the phone.
        tell_edited: Called with an order that was edited before it came here.
    """

    def __init__(
        self,
        archive: Archive,
        ledger: Ledger,
        settings: CurrentSettings,
        now: Callable[[], datetime],
        tell_stranger: Callable[[str], Awaitable[None]],
        let_in: Callable[[str], Awaitable[None]],
        tell_edited: Callable[[Message], Awaitable[None]],
    ) -> None:
        self._archive = archive
        self._ledger = ledger
        self._settings = settings
        self._now = now
        self._tell_stranger = tell_stranger
        self._let_in = let_in
        self._tell_edited = tell_edited

    async def take_in(self) -> int:
        """Look at everything that came since the last time; answers with the number of the last change."""
        record = self._ledger.handed_on
        if not self._settings.now().agent.is_on:
            if record.up_to() is not None:
                # What comes while agents are off is not answered once they are on again.
                await record.begin_at(None)
            return await self._archive.last_change()
        after, last = record.up_to(), await self._archive.last_change()
        if after is not None and after > last:
            logger.warning("agent: the archive was recreated: what waits for an agent is dropped")
            await record.forget()
            after = None
        if after is None:
            after = last
            await record.begin_at(after)
        while changes := await self._archive.changes(after, limit=_BATCH):
            incoming = [
                message for change in changes if (message := await self._incoming(change)) is not None
            ]
            after = changes[-1].seq
            # One transaction: a leader that is killed neither leaves a message out nor hands one on twice.
            await record.add(after, incoming, self._now())
            if len(changes) < _BATCH:
                break
        return after

    async def _incoming(self, change: Change) -> Incoming | None:
        """The message of a change, if it is handed on."""
        if change.kind != "message" or change.ref is None or change.chat is None:
            return None
        try:
            message = await self._archive.message(change.ref)
        except MessageNotFound:
            return None
        if not _has_words(message) or message.timestamp < self._now() - _OLDEST:
            return None
        agent = self._settings.now().agent
        chat = await self._archive.chat_facts(message.chat)
        kind = agent_of(agent, chat, self._ledger.pairings.is_paired)
        if chat.is_own:
            return await self._from_owner(message, kind)
        if message.from_me:
            return None
        if kind is None:
            await self._from_stranger(agent, message, chat)
            return None
        if kind not in _QUEUED or (not chat.is_person and not await self._is_addressed(message)):
            return None
        return Incoming(chat.jid, kind, message.ref, not message.forwarded)

    async def _from_owner(self, message: Message, kind: AgentKind | None) -> Incoming | None:
        """In the chat with oneself the phone alone orders: other devices may be in an agent's hand."""
        record = self._ledger.handed_on
        if not message.from_me or not record.was_of_phone(message.message_id):
            return None
        if not record.is_of_phone(message.message_id, message.text):
            if kind in _QUEUED and not message.forwarded:
                await self._tell_edited(message)
            return None
        if not message.forwarded and message.text.casefold().startswith(PAIR):
            await self._let_in(message.text[len(PAIR) :].strip())
            return None
        if kind not in _QUEUED:
            return None
        return Incoming(message.chat, kind, message.ref, not message.forwarded)

    async def _from_stranger(self, agent: AgentSettings, message: Message, chat: ChatFacts) -> None:
        may_ask = agent.strangers == "pairing" and chat.is_person and not chat.is_known
        if may_ask and not message.forwarded:
            await self._tell_stranger(chat.jid)

    async def _is_addressed(self, message: Message) -> bool:
        """Return whether somebody known mentions the owner in a group or replies to this account."""
        if message.sender_stranger:
            return False
        if message.mentions_me:
            return True
        if message.quote is None or message.quote.ref is None:
            return False
        try:
            return (await self._archive.message(message.quote.ref)).from_me
        except MessageNotFound:
            return False


def _has_words(message: Message) -> bool:
    # Anybody may have made up what was read from a file, and nobody waits for an answer to it.
    is_live = message.revoked_at is None and not message.imported
    has_words = bool(message.text) or message.kind is MessageKind.VOICE
    return is_live and has_words and message.kind not in _NO_WORDS
