"""Read receipts for messages of groups, sent by the server itself where the person has switched them on.

One report says that WhatsApp stops delivering group messages to a linked device that never sends any
(https://github.com/openclaw/openclaw/issues/124132). Others see a receipt, so as few are sent as are not
none: one for the newest message of a group, at most once an hour. The archive still shows it as unread.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.outbox import Addresses
from whatsapp_mcp.errors import Denied, RateLimited, WhatsAppError
from whatsapp_mcp.models import SYSTEM, Chat, ChatKind, MessageFilter, MessageKind
from whatsapp_mcp.policy import Act, Audience, CallerState, Effect, Policy, check_quiet, require
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.settings import CurrentSettings
from whatsapp_mcp.storage import KeyStore

AGAIN: Final = 3600.0
"""Seconds between two receipts in one group."""
LOOK: Final = 60.0
"""Seconds between two looks for messages that are due a receipt, and at the setting."""
_PAUSE: Final = 1.0
"""Seconds between the receipts of two groups."""
_GROUPS: Final = 50
"""Groups that are looked at, those with the latest message first."""
_NEWEST: Final = timedelta(days=7)
"""Older messages get no receipt."""
_SAID: Final = tuple(kind for kind in MessageKind if kind not in {MessageKind.SYSTEM, MessageKind.CALL})
_UNKNOWN: Final = "undefined"
"""Privacy setting that WhatsApp did not tell."""

logger = logging.getLogger(__name__)


class GroupReceipts:
    """Sends a read receipt for the newest message of each group, now and then.

    Args:
        archive: Has the messages; nothing is written there.
        keys: The library's database, which knows by which address authors are named in groups.
        settings: Whether it is switched on, and the policy, as they are then.
        call: Calls the current client.
        privacy: The account's privacy settings, by our names.
    """

    def __init__(
        self,
        archive: Archive,
        keys: KeyStore,
        settings: CurrentSettings,
        clock: Clock,
        *,
        call: Callable[[str, Params], Awaitable[Any]],
        privacy: Callable[[], Awaitable[dict[str, str]]],
    ) -> None:
        self._archive = archive
        self._addresses = Addresses(keys)
        self._settings = settings
        self._clock = clock
        self._call = call
        self._privacy = privacy
        self._sent: dict[str, tuple[float, datetime | None]] = {}

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        while True:
            await self._clock.sleep(LOOK)
            try:
                await self.send_due()
            except WhatsAppError as error:
                logger.info("group receipts: not sent: %s", error.code)

    async def send_due(self) -> None:
        """Send a receipt in each group that is due one; nothing while it is switched off.

        Raises:
            WhatsAppError: WhatsApp cannot be asked now.
        """
        if not self._settings.now().privacy.group_receipts:
            return
        groups = await self._archive.chats(kind=ChatKind.GROUP, limit=_GROUPS)
        due = [chat for chat in groups.items if self._is_due(chat) and await self._is_allowed(chat)]
        # The library sends a receipt that others see unless it knows that the person has switched them off.
        if not due or (await self._privacy())["read_receipts"] == _UNKNOWN:
            return
        for chat in due:
            await self._send(chat)
            await self._clock.sleep(_PAUSE)

    def _is_due(self, chat: Chat) -> bool:
        sent_at, newest = self._sent.get(chat.jid, (float("-inf"), None))
        is_new = chat.last_message_at is not None and chat.last_message_at != newest
        return is_new and self._clock.monotonic() - sent_at >= AGAIN

    async def _is_allowed(self, chat: Chat) -> bool:
        """Return whether the policy lets others see an act in this group now, without asking a person."""
        settings = self._settings.now()
        policy, facts = Policy.of(settings), await self._archive.chat_facts(chat.jid)
        try:
            require(policy, Act("mark_read", Effect.ACT, Audience.CHAT, [facts]), CallerState(SYSTEM))
            check_quiet(settings.policy, self._clock.now().astimezone(settings.zone))
        except (Denied, RateLimited):
            return False
        ruling = policy.ruling(facts, "send")
        return ruling is None or ruling.verdict == "allow"

    async def _send(self, chat: Chat) -> None:
        since = self._clock.now() - _NEWEST
        where = MessageFilter(chat=chat.jid, from_me=False, kinds=_SAID, since=since)
        for message in (await self._archive.messages(where, limit=1)).items:
            named = await self._addresses.as_named_in_chat(message)
            ids = {"ids": [message.message_id], "sender": named.sender}
            await self._call("mark_read", {**ids, "chat": chat.jid, "receipt": "read"})
        self._sent[chat.jid] = self._clock.monotonic(), chat.last_message_at
