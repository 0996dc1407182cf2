"""The account's owner, and the addresses of people, taken from the keys into the archive."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.storage import KeyStore, KeysUnreadable, LeadershipOver, StoredDevice

_LOOKS: Final = 10
_BETWEEN_LOOKS: Final = 0.1
"""Seconds."""

logger = logging.getLogger(__name__)


async def refusal_of(device: StoredDevice, archive: Archive) -> str | None:
    """Why stored keys may not be used: they are of another phone than what is archived; None if they may.

    A leader that ended between the pairing of that phone and its refusal leaves them behind.
    """
    return await _refusal(archive, device.jid.user, lambda: _known(device.lid))


async def _known(lid: str | None) -> str | None:
    return lid


async def _refusal(archive: Archive, number: str, lid: Callable[[], Awaitable[str | None]]) -> str | None:
    # The LID is asked for last: the library may still be writing the keys that name it.
    former, former_lid, _ = await archive.own()
    if former is None or number == Jid.parse(former).user or (former_lid and former_lid == await lid()):
        return None
    return (
        f"That phone is +{number}, and the messages here are those of {Jid.parse(former).number}. Remove "
        "the new entry among the linked devices of that phone. Link the right phone, or this one under "
        "another name with `whatsapp-mcp link --account NAME`."
    )


class Owner:
    """The account's owner.

    Args:
        keys: Of the linked phone's companion.
        device: The device whose keys are stored, if one is linked.

    Attributes:
        device: The same, as of the last look; None when nobody is linked.
    """

    def __init__(self, keys: KeyStore, archive: Archive, device: StoredDevice | None) -> None:
        self._keys = keys
        self._archive = archive
        self._lids_known: set[str] = set()
        self.device = device

    async def look_up(self) -> None:
        """Read which device is linked now."""
        try:
            self.device = await self._keys.device()
        except KeysUnreadable as error:
            logger.warning("owner: keys cannot be read now; the known owner stays: %s", error)

    async def refusal(self, number: str) -> str | None:
        """Why the phone that has just taken a code may not be this account's; None if it may.

        Another person's phone would mix their messages with those that are archived. A person whose number
        has changed keeps their LID.

        Args:
            number: The user part of the phone's jid.
        """
        return await _refusal(self._archive, number, self._taken_lid)

    async def _taken_lid(self) -> str | None:
        """The LID of the phone whose keys are being stored; None where it cannot be read."""
        for _ in range(_LOOKS):
            try:
                taken = await self._keys.device()
            except KeysUnreadable:  # the library is writing them
                await anyio.sleep(_BETWEEN_LOOKS)
            else:
                return taken.lid if taken else None
        return None

    async def record(self) -> None:
        """Record in the archive who the owner is."""
        owner = self.device
        if owner is None:
            return
        try:
            await self._archive.write(recording.set_own, str(owner.jid.bare), owner.lid, owner.name)
        except (sqlite3.Error, LeadershipOver, WhatsAppError):
            logger.exception("owner: cannot be archived")

    async def learn_lid(self, chat: str) -> None:
        """Record the LID of a person that was written to, from which receipts and answers come.

        The library asks WhatsApp for it before the first message to a number, and no event says it.
        """
        if chat in self._lids_known:
            return
        person = Jid.parse(chat)
        if not person.is_person or person.is_lid:
            return
        try:
            lid = await self._keys.lid_of(person)
        except KeysUnreadable as error:
            logger.warning("owner: keys cannot be read now: %s", error)
            return
        if lid is None:
            return
        try:
            await self._archive.write(recording.record_identities, [(chat, lid)])
        except (sqlite3.Error, LeadershipOver, WhatsAppError):
            logger.exception("owner: a LID cannot be archived")
        else:
            self._lids_known.add(chat)
