"""Delivery evidence: what the client library's database says of sends that were never answered.

The library sends a message in three steps (whatsmeow, `send.go`; traced with neonize 0.5.2). It commits the
message's `messageSecret` together with its id to `client.db`, if it carries one. It encrypts, and commits how
far the keys of the chat have moved on: the sessions with a person, its own key for a group or for status
posts. Then the frame goes out; if one of the commits fails, none does (for the secret, `client/library.py`
sees to that).

So once the client that had a message can send no more, a secret that is not there or keys that have not moved
prove that it was not sent; and a secret that is there is stored with its id.

The last commit of `client.db` may be undone when the machine loses its power, and the file goes with a
logout: then nothing is proved by what is not there.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from whatsapp_mcp.device.connection import KeptOpen, StoredDevice
from whatsapp_mcp.jid import STATUS_JID, Jid
from whatsapp_mcp.system import boot

_ID: Final = "SELECT message_id FROM whatsmeow_message_secrets WHERE key = ? ORDER BY rowid DESC LIMIT 1"
_BOTH_ADDRESSES: Final = "SELECT lid, pn FROM whatsmeow_lid_map WHERE lid = ?1 OR pn = ?1"
# Their indexes begin with the own device: without it, the keys of everybody would be read for one person's.
_SESSIONS: Final = """SELECT their_id, session FROM whatsmeow_sessions
WHERE our_jid IN (SELECT jid FROM whatsmeow_device) AND their_id GLOB ? ORDER BY their_id"""
_OWN_KEYS: Final = """SELECT sender_id, sender_key FROM whatsmeow_sender_keys
WHERE our_jid IN (SELECT jid FROM whatsmeow_device) AND chat_id = ? AND sender_id GLOB ? ORDER BY sender_id"""
_ANY_DEVICE: Final = "[_:.]*"
"""What follows the user in the library's address of a device."""
_UNKNOWN: Final = "-"

logger = logging.getLogger(__name__)


class DeliveryEvidence:
    """Finds out what became of a message that was handed to a client.

    A hand-over is named by a text of four words: boot, device, client, and a digest of the chat's keys.

    Args:
        path: `client.db`.
        device: The device whose keys are stored there.
        generation: The number of the current client.
        ended: Whether the client of a number is gone and a later one is logged in.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: Callable[[], StoredDevice | None],
        generation: Callable[[], int],
        ended: Callable[[int], bool],
    ) -> None:
        self._database = KeptOpen(path)
        self._device = device
        self._generation = generation
        self._ended = ended

    def close(self) -> None:
        """Close the database, as before it is deleted; what is asked afterwards opens it again."""
        self._database.close()

    async def name_hand_over(self, chat: str) -> str:
        """Name the hand-over of a message for this chat to the current client."""
        here = self.here()
        return f"{here} {await self._keys(chat, surely=False)}"

    def is_here(self, handed_to: str) -> bool:
        """Whether the client that it names is still the current one."""
        return handed_to.rpartition(" ")[0] == self.here()

    def is_over(self, handed_to: str) -> bool:
        """Whether nothing of this hand-over can still go out."""
        return self._ended(int(handed_to.split()[2]))

    def is_of_this_device(self, handed_to: str) -> bool:
        """Whether the companion that it names is still the one that is linked."""
        return handed_to.split()[1] == self.here().split()[1]

    async def message_id(self, secret: bytes) -> str | None:
        """The id that a message has got, if the library came as far as giving it one.

        Raises:
            sqlite3.Error: The database cannot be read, or is not there.
        """
        rows = await self._database.read(lambda db: db.execute(_ID, (secret,)).fetchall())
        return str(rows[0][0]) if rows else None

    async def was_not_sent(self, handed_to: str, chat: str, secret: bytes | None, found: str | None) -> bool:
        """Whether it is proved that a message did not go out, once its hand-over is over.

        Args:
            secret: Of the message.
            found: Its id, if the library has one under this secret.
        """
        then = handed_to.split()[:3]
        if then[:2] != self.here().split()[:2] or _UNKNOWN in then:
            return False
        if secret is not None and found is None:
            return True
        return await self.was_not_encrypted(handed_to, chat)

    async def was_not_encrypted(self, handed_to: str, chat: str) -> bool:
        """Whether it is proved that a message was encrypted for nobody in its chat.

        The library sends it all the same when WhatsApp gives it no keys of the other's devices: to those of
        the own account alone (whatsmeow, `encryptMessageForDevices`).
        """
        keys = handed_to.split()[3]
        return keys != _UNKNOWN and keys == await self._keys(chat, surely=True)

    def here(self) -> str:
        """The current client, as the first three words of a hand-over to it."""
        device = self._device()
        return f"{boot() or _UNKNOWN} {device.registration if device else _UNKNOWN} {self._generation()}"

    async def _keys(self, chat: str, *, surely: bool) -> str:
        """A digest of what must change when a message to this chat is encrypted.

        Args:
            surely: Whether all of it must be there: both addresses of the person are known.

        Returns:
            `-` when that is not known, or the chat is not encrypted.
        """
        jid, device = Jid.parse(chat), self._device()
        if device is None or not (jid.is_person or jid.is_group or chat == STATUS_JID):
            return _UNKNOWN
        read = (
            partial(_sessions, person=jid) if jid.is_person else partial(_own_keys, chat=chat, own=device.jid)
        )
        try:
            users, rows = await self._database.read(read)
        except sqlite3.Error as error:
            logger.warning("delivery evidence: keys of a chat cannot be read: %s", error)
            return _UNKNOWN
        if surely and len(users) < 2:
            return _UNKNOWN
        digest = hashlib.sha256()
        for address, key in rows:
            digest.update(str(address).encode() + bytes(key))
        return digest.hexdigest()


_Keys = tuple[list[str], list[tuple[str, bytes]]]
"""Patterns of users, and the keys of each of their devices."""


def _sessions(db: sqlite3.Connection, *, person: Jid) -> _Keys:
    """The sessions with a person."""
    users = _users(db, person)
    return users, [row for user in users for row in db.execute(_SESSIONS, (user,))]


def _own_keys(db: sqlite3.Connection, *, chat: str, own: Jid) -> _Keys:
    """The own keys to a group or to status posts."""
    users = _users(db, own)
    return users, [row for user in users for row in db.execute(_OWN_KEYS, (chat, user))]


def _users(db: sqlite3.Connection, jid: Jid) -> list[str]:
    """Patterns of the addresses of a person's devices, by phone number and by LID."""
    users = {jid.user, *(user for row in db.execute(_BOTH_ADDRESSES, (jid.user,)) for user in row)}
    return sorted(f"{user}{_ANY_DEVICE}" for user in users)
