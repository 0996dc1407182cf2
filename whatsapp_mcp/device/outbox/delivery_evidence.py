"""Delivery evidence: what the client library's database says of sends that were never answered.

The library sends a message in three steps (whatsmeow, `send.go`; traced with neonize 0.5.2). It commits the
message's `messageSecret` together with its id, if it carries one. It encrypts, and commits how
far the keys of the chat have moved on: the sessions with a person, its own key for a group or for status
posts. Then the frame goes out; if one of the commits fails, none does (for the secret, `client/library.py`
sees to that).

So once the client that had a message can send no more, a secret that is not there or keys that have not moved
prove that it was not sent; and a secret that is there is stored with its id.

The last commit of a file may be undone when the machine loses its power, those of a server when another
takes its place, and the keys go with a logout: then nothing is proved by what is not there.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Final

from whatsapp_mcp.jid import STATUS_JID, Jid
from whatsapp_mcp.storage import KeyStore, KeysUnreadable, StoredDevice

_UNKNOWN: Final = "-"
"""Stands for a word of a hand-over that is not known, by which nothing can be proved."""

logger = logging.getLogger(__name__)


class DeliveryEvidence:
    """Finds out what became of a message that was handed to a client.

    A hand-over is named by a text of four words: the system that keeps the keys (`KeyStore.system`), device,
    client, and a digest of the chat's keys.

    Args:
        keys: The library's database.
        device: The device whose keys are stored there.
        generation: The number of the current client.
        ended: Whether the client of a number is gone and a later one is logged in.
    """

    def __init__(
        self,
        keys: KeyStore,
        *,
        device: Callable[[], StoredDevice | None],
        generation: Callable[[], int],
        ended: Callable[[int], bool],
    ) -> None:
        self._keys = keys
        self._device = device
        self._generation = generation
        self._ended = ended

    def close(self) -> None:
        """Close the database, as before it is deleted; what is asked afterwards opens it again."""
        self._keys.close()

    async def name_hand_over(self, chat: str) -> str:
        """Name the hand-over of a message for this chat to the current client."""
        here = self.here()
        return f"{here} {await self._chat_keys(chat, surely=False)}"

    def is_here(self, handed_to: str) -> bool:
        """Check whether the client that a hand-over names is still the current one."""
        return handed_to.rpartition(" ")[0] == self.here()

    def is_over(self, handed_to: str) -> bool:
        """Check whether nothing of a hand-over can go out any more."""
        return self._ended(int(handed_to.split()[2]))

    def is_of_this_device(self, handed_to: str) -> bool:
        """Check whether the companion that a hand-over names is still linked."""
        return handed_to.split()[1] == self.here().split()[1]

    async def message_id(self, secret: bytes) -> str | None:
        """The id that a message has got, if the library came as far as giving it one.

        Raises:
            KeysUnreadable: The database cannot be read, or is not there.
        """
        return await self._keys.message_id(secret)

    async def was_not_sent(
        self, handed_to: str, chat: str, secret: bytes | None, message_id: str | None
    ) -> bool:
        """Check whether a message is proved not to have gone out, once its hand-over is over.

        Args:
            secret: Of the message.
            message_id: Its id, if the library has one under this secret.
        """
        if _UNKNOWN in handed_to.split()[:3]:
            return False
        if secret is not None and message_id is None:
            return self._is_of_this_system(handed_to)
        return await self.was_not_encrypted(handed_to, chat)

    async def was_not_encrypted(self, handed_to: str, chat: str) -> bool:
        """Check whether a message is proved to have been encrypted for nobody in its chat.

        The library sends it all the same when WhatsApp gives it no keys of the other's devices: to those of
        the own account alone (whatsmeow, `encryptMessageForDevices`).
        """
        keys = handed_to.split()[3]
        is_unmoved = keys != _UNKNOWN and keys == await self._chat_keys(chat, surely=True)
        # Asked last: another server may have answered, whose keys are older.
        return is_unmoved and self._is_of_this_system(handed_to)

    def _is_of_this_system(self, handed_to: str) -> bool:
        return handed_to.split()[:2] == self.here().split()[:2]

    def here(self) -> str:
        """The current client, as the first three words of a hand-over to it."""
        system, device = self._keys.system() or _UNKNOWN, self._device()
        return f"{system} {device.registration if device else _UNKNOWN} {self._generation()}"

    async def _chat_keys(self, chat: str, *, surely: bool) -> str:
        """A digest of what must change when a message to this chat is encrypted.

        Args:
            surely: Whether all of it must be there: both addresses of the person are known.

        Returns:
            `-` when that is not known, or the chat is not encrypted.
        """
        jid, device = Jid.parse(chat), self._device()
        if device is None or not (jid.is_person or jid.is_group or chat == STATUS_JID):
            return _UNKNOWN
        try:
            if jid.is_person:
                users, rows = await self._keys.sessions(jid.user)
            else:
                users, rows = await self._keys.own_keys(chat, device.jid.user)
        except KeysUnreadable as error:
            logger.warning("delivery evidence: keys of a chat cannot be read: %s", error)
            return _UNKNOWN
        # The keys that moved may stand under the address that is not known here.
        if surely and len(users) < 2:
            return _UNKNOWN
        digest = hashlib.sha256()
        for address, key in rows:
            digest.update(address.encode() + key)
        return digest.hexdigest()
