"""Output in a chat for its agent: answers, a reaction while it works, typing, and that nobody answers.

Everything goes through the leader's check and the outbox. The keys of the sends derive from the hand-on, so
none goes out twice, whichever process is killed at whichever moment.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

import anyio

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.operations import Device, chats, sends
from whatsapp_mcp.errors import ApprovalRequired, KeyReused, MessageNotFound, WhatsAppError
from whatsapp_mcp.models import (
    SYSTEM,
    Caller,
    Content,
    HandOn,
    Message,
    Pairing,
    ReactionContent,
    SendRequest,
    TextContent,
    chat_principal,
)
from whatsapp_mcp.settings import AgentSettings

_ON: Final = "on"
_OFF: Final = "off"
"""Ends of the keys of a reaction and of taking it back, which are two sends of one hand-on."""
TYPING: Final = 20.0
"""Seconds after which it is shown again that somebody writes: phones forget it."""
_RETRIED: Final = frozenset({"RATE_LIMITED", "BUSY", "TIMEOUT", "NOT_CONNECTED", "SEND_UNKNOWN"})
"""Codes of errors that pass by themselves; any other one ends the answer."""
_AGAIN: Final = 60.0
"""Seconds until a part is tried again, if the error does not say."""
_HOUR: Final = timedelta(hours=1)
_CODE_TEXT: Final = (
    "This account is answered by an assistant, which does not know you yet. To be let in, tell its owner "
    "this code: {code}. It is valid for an hour."
)
_EDITED_TEXT: Final = (
    "This was edited before the agent got it, and any linked device can edit it: the agent does not get it. "
    "Write it again as a new message."
)
_PAIRED_TEXT: Final = "The assistant answers you from now on."

Acting = Callable[[Caller], Device]
"""The leader's device behind its check, for a caller."""

logger = logging.getLogger(__name__)


class Speaker:
    """Speaks in the chats that have an agent.

    Args:
        archive: Names the messages that are reacted to.
        acting: Sends.
        clock: The leader's.
    """

    def __init__(self, archive: Archive, acting: Acting, clock: Clock) -> None:
        self._archive = archive
        self._acting = acting
        self._clock = clock

    async def caller_of(self, chat: str) -> Caller:
        """Return the caller for a chat's agent: bound to the chat, unless it is the owner's own.

        Args:
            chat: Its jid as it was when the messages were handed on. It is not looked up again: a chat known
                by a LID is called by the number as soon as that is known, and what was sent or read before
                would be another principal's.
        """
        is_own = (await self._archive.chat_facts(chat)).is_own
        return Caller(chat_principal(chat), "agent", "agent", chat="" if is_own else chat)

    async def answer(self, hand_on: HandOn) -> float | None:
        """Send the parts of an answer that have not gone out yet.

        Returns:
            None if all are accepted, else in how many seconds to try again.

        Raises:
            WhatsAppError: It is refused.
        """
        device = self._acting(await self.caller_of(hand_on.chat))
        for number, part in enumerate(hand_on.parts):
            quoted = await self._quoted(hand_on) if number == 0 else None
            try:
                await device.do(
                    sends.send,
                    SendRequest(
                        hand_on.chat,
                        TextContent(part),
                        reply_to=quoted,
                        idempotency_key=f"{_key(hand_on)}:{number}",
                        wait=0.0,
                    ),
                )
            except ApprovalRequired as error:
                logger.info("agent: part %d of %d waits for a yes: %s", number, hand_on.id, error.approval)
            except KeyReused:
                # A run before this one has said something else under it.
                logger.warning("agent: part %d of %d was sent before", number, hand_on.id)
            except WhatsAppError as error:
                if error.code not in _RETRIED:
                    raise
                return error.retry_after or _AGAIN
        return None

    @asynccontextmanager
    async def at_work(self, hand_on: HandOn, emoji: str) -> AsyncIterator[None]:
        """Show in the chat that its agent works, for as long as the block lasts: a reaction, and typing.

        The reaction stays: when it goes is what the end of the hand-on says.
        """
        async with anyio.create_task_group() as tasks:
            if emoji:
                tasks.start_soon(self._react, hand_on, emoji, _ON)
            tasks.start_soon(self._type, hand_on.chat)
            yield
            tasks.cancel_scope.cancel()
        with suppress(WhatsAppError):
            await self._acting(await self.caller_of(hand_on.chat)).do(chats.typing, hand_on.chat, "paused")

    async def done(self, hand_on: HandOn) -> None:
        """Take the reaction of `at_work` back."""
        await self._react(hand_on, "", _OFF)

    async def _react(self, hand_on: HandOn, emoji: str, step: str) -> None:
        """Put a reaction under the last order, or take it back; nothing depends on it."""
        if hand_on.order_ref is None:
            return
        with suppress(WhatsAppError):
            message = await self._archive.message(hand_on.order_ref)
            content = ReactionContent(message.message_id, emoji)
            await self._send(hand_on.chat, content, f"{_key(hand_on)}:{hand_on.tries}:{step}", queue=False)

    async def _type(self, chat: str) -> None:
        """Show that somebody writes, until cancelled."""
        device = self._acting(await self.caller_of(chat))
        while True:
            with suppress(WhatsAppError):
                await device.do(chats.typing, chat, "composing")
            await self._clock.sleep(TYPING)

    async def say_away(self, agent: AgentSettings, hand_on: HandOn) -> None:
        """Say once an hour that nobody answers, if the person wants that said."""
        if agent.away:
            # As a part of the key: a second send within the hour is answered as the first, and none goes out.
            hour = int(self._clock.now().timestamp() // _HOUR.total_seconds())
            with suppress(WhatsAppError):
                await self._send(hand_on.chat, TextContent(agent.away), f"agent:away:{hand_on.chat}:{hour}")

    async def tell_owner(self, own: str, hand_on: HandOn, sentence: str) -> None:
        """Tell the owner in their own chat why there is no answer."""
        with suppress(WhatsAppError):
            await self._send(own, TextContent(sentence), f"{_key(hand_on)}:failed")

    async def tell_edited(self, message: Message) -> None:
        """Tell the owner, in an answer to a message of their phone, that it was edited and so is no order."""
        key = f"agent:edited:{message.message_id}"
        with suppress(WhatsAppError):
            await self._send(message.chat, TextContent(_EDITED_TEXT), key, reply_to=message.message_id)

    async def tell_code(self, pairing: Pairing) -> None:
        """Tell a stranger their code.

        Raises:
            WhatsAppError: It could not be put into the outbox.
        """
        given = int(pairing.given_at.timestamp())
        text = TextContent(_CODE_TEXT.format(code=pairing.code))
        await self._send(pairing.chat, text, f"agent:code:{pairing.chat}:{given}")

    async def tell_paired(self, pairing: Pairing) -> None:
        """Tell a stranger that they were let in."""
        given = int(pairing.given_at.timestamp())
        with suppress(WhatsAppError):
            await self._send(pairing.chat, TextContent(_PAIRED_TEXT), f"agent:paired:{pairing.chat}:{given}")

    async def _send(
        self, chat: str, content: Content, key: str, *, queue: bool = True, reply_to: str | None = None
    ) -> None:
        """Send words of ours: the person has set that they are said."""
        request = SendRequest(chat, content, reply_to, idempotency_key=key, wait=0.0, queue=queue)
        await self._acting(SYSTEM).do(sends.send, request)

    async def _quoted(self, hand_on: HandOn) -> str | None:
        """In a group the answer quotes the order, so that people see what it answers."""
        if hand_on.order_ref is None or not hand_on.chat.endswith("@g.us"):
            return None
        with suppress(MessageNotFound):
            return (await self._archive.message(hand_on.order_ref)).message_id
        return None


def _key(hand_on: HandOn) -> str:
    # With the time, since the numbers start again where the ledger was lost.
    return f"agent:{hand_on.id}:{int(hand_on.began_at.timestamp() * 1000)}"
