"""Names that the library tells only when asked: of groups, channels and contacts.

How the phone lists chats.

`Names` asks in rounds. `Unnamed` asks about what has no name as soon as something of theirs is archived: a
group to which the account was added while no client ran, and which the phone's past does not hold, is known
by its jid alone.
"""

from __future__ import annotations

import logging
from base64 import b64decode
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import anyio

from whatsapp_mcp import protobufs
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.device.clock import Clock, within
from whatsapp_mcp.device.operations.channels import read_channel
from whatsapp_mcp.device.operations.groups import group_update, read_group
from whatsapp_mcp.device.operations.whatsapp import jid_text, moment
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import Chat, ContactUpdate
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.protobufs.bounded import parsed

REFRESH: Final = 3600.0
"""Seconds between two rounds of questions; names change rarely."""
AFTER_LOGIN: Final = (3.0, 10.0, 50.0, 240.0)
"""Seconds before each further look at what the library knows: a phone hands its address book over some time
after linking, and no event says so."""
_CHATS: Final = 200
"""Number of chats, newest first, whose settings are looked up."""
_RETRY: Final = 30.0
"""Seconds until a round is tried again that failed, or for which there was no connection."""
AT_ONCE: Final = 10
"""Chats that are looked up in one round; the newest first."""
PAUSE: Final = 2.0
"""Seconds between two rounds: what comes meanwhile is looked up together, and WhatsApp is not pressed."""
AGAIN: Final = 3600.0
"""Seconds in which nobody is looked up twice."""

logger = logging.getLogger(__name__)


class Names:
    """Asks after every login, and then once an hour, and archives the answers.

    Args:
        call: Calls the current client's method.
        online: Whether the connection is up.
    """

    def __init__(
        self,
        archive: Archive,
        call: Callable[[str, Params], Awaitable[Any]],
        clock: Clock,
        *,
        online: Callable[[], bool],
    ) -> None:
        self._archive = archive
        self._call = call
        self._clock = clock
        self._online = online
        self._wake = anyio.Event()

    def wake(self) -> None:
        """Ask now."""
        self._wake.set()

    async def run(self) -> None:
        """Ask whenever it is time, until cancelled."""
        pause = REFRESH
        while True:
            await within(self._clock, pause, self._wake.wait)
            self._wake = anyio.Event()
            pause = _RETRY
            if self._online() and await self._answered(self._ask):
                await self._answered(self._ask_channels)
                await self._look_again()
                # The further looks have taken that much of the time until the next round.
                pause = REFRESH - sum(AFTER_LOGIN)

    async def _look_again(self) -> None:
        for pause in AFTER_LOGIN:
            await within(self._clock, pause, self._wake.wait)
            if self._wake.is_set():
                return
            if self._online():
                await self._answered(self._look)

    async def _answered(self, question: Callable[[], Awaitable[None]]) -> bool:
        try:
            await question()
        except WhatsAppError as error:
            logger.warning("names: a look-up failed: %s", error.code)
            return False
        return True

    async def _ask(self) -> None:
        """Groups are asked of WhatsApp."""
        groups = [group_update(read_group(each)) for each in await self._call("get_joined_groups", {})]
        await self._archive.write(recording.record_groups, groups)
        await self._look()

    async def _ask_channels(self) -> None:
        """Channels too; an error there does not delay the rest."""
        channels = map(read_channel, await self._call("get_subscribed_newsletters", {}))
        await self._archive.write(
            recording.record_channels, {each.jid: each.name for each in channels if each.name}
        )

    async def look_up_people(self) -> None:
        """Take over the names of people that the library knows.

        Raises:
            WhatsAppError: The client cannot be asked.
        """
        contacts = [_contact(each) for each in await self._call("get_all_contacts", {})]
        await self._archive.write(recording.record_contacts, contacts)

    async def _look(self) -> None:
        """Contacts and the list of chats are with the library."""
        await self.look_up_people()
        for chat in (await self._archive.chats(limit=_CHATS)).items:
            await self._look_at(chat)

    async def _look_at(self, chat: Chat) -> None:
        """Take over how the phone lists a chat, under its LID or its phone number."""
        person = await self._archive.contact(chat.jid)
        for jid in dict.fromkeys((person.lid or chat.jid if person else chat.jid, chat.jid)):
            answer = await self._call("get_chat_settings", {"chat": jid})
            chat_settings: Any = parsed(protobufs.Neonize.LocalChatSettings, b64decode(answer))
            if not chat_settings.Found:
                continue
            muted_until = moment(chat_settings.MutedUntil)
            if (chat_settings.Archived, chat_settings.Pinned, muted_until) != (
                chat.archived,
                chat.pinned,
                chat.muted_until,
            ):
                await self._archive.write(
                    recording.record_chat_settings,
                    chat.jid,
                    archived=chat_settings.Archived,
                    pinned=chat_settings.Pinned,
                    muted_until=muted_until,
                )
            return


def _contact(answer: str) -> ContactUpdate:
    contact: Any = parsed(protobufs.Neonize.Contact, b64decode(answer))
    info = contact.Info
    saved = info.FullName or info.FirstName
    return ContactUpdate(
        jid_text(contact.JID), saved or None, info.PushName or None, info.BusinessName or None
    )


class Unnamed:
    """Looks up what is archived without a name.

    Args:
        look_up_group: Asks WhatsApp for a group and archives it.
        look_up_people: Takes over the names that the client library knows.
        online: Whether WhatsApp can be asked.
    """

    def __init__(
        self,
        archive: Archive,
        clock: Clock,
        *,
        look_up_group: Callable[[str], Awaitable[Any]],
        look_up_people: Callable[[], Awaitable[Any]],
        online: Callable[[], bool],
    ) -> None:
        self._archive = archive
        self._clock = clock
        self._look_up_group = look_up_group
        self._look_up_people = look_up_people
        self._online = online
        self._arrived = anyio.Event()
        self._asked: dict[str, float] = {}

    def wake(self) -> None:
        """Something was archived: see whether it has a name."""
        self._arrived.set()

    async def run(self) -> None:
        """Look up what comes, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived = anyio.Event()
            if self._online():
                await self._look_up(await self._new())
                await self._clock.sleep(PAUSE)

    async def _new(self) -> Sequence[str]:
        """Chats without a name that were not asked for lately."""
        now = self._clock.monotonic()
        self._asked = {jid: at for jid, at in self._asked.items() if now - at < AGAIN}
        jids = [jid for jid in await self._archive.unnamed_chats() if jid not in self._asked]
        if len(jids) > AT_ONCE:
            self._arrived.set()
        return jids[:AT_ONCE]

    async def _look_up(self, chats: Sequence[str]) -> None:
        # Noted before the answer: a group that WhatsApp refuses to tell of is not asked for again and again.
        self._asked |= dict.fromkeys(chats, self._clock.monotonic())
        groups = [chat for chat in chats if Jid.parse(chat).is_group]
        for group in groups:
            await self._answered(self._look_up_group(group))
        if len(groups) < len(chats):
            await self._answered(self._look_up_people())

    async def _answered(self, question: Awaitable[Any]) -> None:
        try:
            await question
        except WhatsAppError as error:
            logger.info("unnamed: a look-up was answered %s", error.code)
