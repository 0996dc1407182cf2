"""Names that WhatsApp tells only when asked: of the groups the account is in, and of saved contacts."""

from __future__ import annotations

import logging
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio

from whatsapp_mcp import protobufs
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.archive.interface import ContactUpdate
from whatsapp_mcp.device.clock import Clock, within
from whatsapp_mcp.device.topics.base import jid_text
from whatsapp_mcp.device.topics.groups import group_update, read_group
from whatsapp_mcp.errors import WhatsAppError

REFRESH: Final = 3600.0
"""Seconds between two rounds of questions; names change rarely."""
_RETRY: Final = 30.0

logger = logging.getLogger(__name__)


class Names:
    """Asks after every login, and then once an hour, and archives what it is told.

    Args:
        call: Calls the current client's method without parameters.
        online: Whether there is a link to ask over.
    """

    def __init__(
        self,
        archive: Archive,
        call: Callable[[str], Awaitable[Any]],
        clock: Clock,
        *,
        online: Callable[[], bool],
    ) -> None:
        self._archive = archive
        self._call = call
        self._clock = clock
        self._online = online
        self._wake = anyio.Event()

    def poke(self) -> None:
        """Ask now."""
        self._wake.set()

    async def run(self) -> None:
        """Ask whenever it is time, for ever."""
        pause = REFRESH
        while True:
            await within(self._clock, pause, self._wake.wait)
            self._wake = anyio.Event()
            if self._online():
                pause = REFRESH if await self._refresh() else _RETRY

    async def _refresh(self) -> bool:
        try:
            groups = [group_update(read_group(each)) for each in await self._call("get_joined_groups")]
            await self._archive.record_groups(groups)
            contacts = [_contact(each) for each in await self._call("get_all_contacts")]
            await self._archive.record_contacts(contacts)
        except WhatsAppError as error:
            logger.warning("names could not be asked for: %s", error.code)
            return False
        return True


def _contact(answer: str) -> ContactUpdate:
    contact: Any = protobufs.Neonize.Contact.FromString(b64decode(answer))
    info = contact.Info
    saved = info.FullName or info.FirstName
    return ContactUpdate(
        jid_text(contact.JID), saved or None, info.PushName or None, info.BusinessName or None
    )
