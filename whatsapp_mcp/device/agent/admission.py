"""Admission of waiting messages to their agent: settled, within limits, and readable under the rules."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.agent import rules
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.errors import MessageNotFound, RateLimited
from whatsapp_mcp.ledger import Ledger
from whatsapp_mcp.models import HandOn, HandOnState, Message, MessageKind
from whatsapp_mcp.policy import Policy, agent_of, check_quiet
from whatsapp_mcp.settings import CurrentSettings

PATIENCE: Final = 20.0
"""Seconds that the transcript of a voice note is waited for."""
MATERIAL_WAITS: Final = timedelta(minutes=2)
"""Time that forwarded messages wait for the words that say what to do with them."""
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)

logger = logging.getLogger(__name__)


class Admission:
    """Decides about what is handed on.

    Args:
        archive: Knows the chats and messages.
        ledger: Has the queue.
        settings: With the limits.
        clock: The leader's.
        tell_edited: Called with an order that was edited while it waited, once the rest may go.
    """

    def __init__(
        self,
        archive: Archive,
        ledger: Ledger,
        settings: CurrentSettings,
        clock: Clock,
        tell_edited: Callable[[Message], Awaitable[None]],
    ) -> None:
        self._archive = archive
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._tell_edited = tell_edited

    async def messages(self, hand_on: HandOn) -> list[Message]:
        """The messages of a hand-on that are still there and in its chat; the owner's own as they were."""
        kept, edited = await self._present(hand_on)
        for message in edited:
            logger.warning("agent: #%d was changed since the phone wrote it: no order", message.ref)
        return kept

    async def _present(self, hand_on: HandOn) -> tuple[list[Message], list[Message]]:
        """The messages of a hand-on that are still there: as they were, and orders that were edited."""
        chat = await self._archive.chat_facts(hand_on.chat)
        kept: list[Message] = []
        edited: list[Message] = []
        for ref in hand_on.refs:
            try:
                message = await self._archive.message(ref)
            except MessageNotFound:
                continue
            # An archive that was recreated gives its refs again.
            if message.revoked_at is not None or message.chat not in chat.addresses:
                continue
            # Any linked device can edit what the phone wrote, also one that is in an agent's hand.
            is_edited = chat.is_own and not self._ledger.handed_on.is_of_phone(
                message.message_id, message.text
            )
            (edited if is_edited else kept).append(message)
        return kept, edited

    async def unheard_voices(self, hand_on: HandOn) -> list[int]:
        """The refs of voice notes whose words are not known yet."""
        return [
            each.ref
            for each in await self.messages(hand_on)
            if each.kind is MessageKind.VOICE and each.reading is None and each.problem is None
        ]

    async def settle(self, hand_on: HandOn) -> bool:
        """Let a burst wait for its agent once it is over; true if it does."""
        now, agent = self._clock.now(), self._settings.now().agent
        if hand_on.order_ref is None:
            if now - hand_on.at >= MATERIAL_WAITS:
                await self.drop(hand_on, "nothing but forwarded messages")
            return False
        waits = bool(await self.unheard_voices(hand_on))
        if not rules.is_settled(hand_on, agent.settle, now, transcripts_wait=waits, patience=PATIENCE):
            return False
        return await self._ledger.handed_on.move(hand_on, HandOnState.WAITING, now)

    async def may_go(self, hand_on: HandOn) -> bool:
        """Return whether waiting messages may go to their agent now; drop messages that never may."""
        now, settings = self._clock.now(), self._settings.now()
        agent, record = settings.agent, self._ledger.handed_on
        chat = await self._archive.chat_facts(hand_on.chat)
        # Asked again: config.toml, a rule or a pairing may have changed since the message was queued.
        if agent_of(agent, chat, self._ledger.pairings.is_paired) != hand_on.agent:
            return await self.drop(hand_on, "the chat has no such agent any more")
        if now - hand_on.at >= rules.KEPT:
            return await self.drop(hand_on, "no agent took it for a day")
        ruling = Policy.of(settings).ruling(chat, "read")
        if ruling is not None and ruling.verdict != "allow":
            return await self.drop(hand_on, "a rule keeps agents from reading the chat")
        before = [
            each for each in record.latest(hand_on.chat, agent.limits.turns + 1) if each.id < hand_on.id
        ]
        if not chat.is_own and rules.is_loop(hand_on, before, agent):
            return await self.drop(hand_on, "a loop: nobody paused for two minutes")
        # Not dropped, here and below: an hour, a day or the quiet hours later it may go.
        if rules.full_until(record.answered_since(hand_on.chat, now - _HOUR), agent, now) is not None:
            return False
        most = agent.limits.cost_per_day
        if most is not None and record.cost_since(now - _DAY) >= most:
            return False
        if chat.is_own:
            _, edited = await self._present(hand_on)
            for message in edited:
                await self._tell_edited(message)
            return True
        try:
            check_quiet(settings.policy, now.astimezone(settings.zone))
        except RateLimited:
            return False
        return True

    async def drop(self, hand_on: HandOn, reason: str) -> bool:
        """Nobody answers it; always false."""
        logger.info("agent: %d is dropped: %s", hand_on.id, reason)
        await self._ledger.handed_on.move(hand_on, HandOnState.DROPPED, self._clock.now(), reason=reason)
        return False
