"""By which addresses a message names its chat and its author, as the client library's database says.

A person has two, the phone number and the LID, and a group uses one of them. The library keeps the secret of
each message under the addresses that it used (whatsmeow, `msgsecret.go`).

The leader reads this and not the client process: a second copy of SQLite in the library's own process frees
its locks on the file and undoes its half-done writes, which ruins the keys
(https://sqlite.org/howtocorrupt.html, 2.2.1).
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import TypeVar

from whatsapp_mcp.errors import Busy
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import Message
from whatsapp_mcp.storage import KeyStore, KeysUnreadable

T = TypeVar("T")


class Addresses:
    """Puts messages into the addresses that WhatsApp knows them by.

    Args:
        keys: The library's database.
    """

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys

    async def as_stored(self, message: Message) -> Message:
        """The message with the chat and the author that its secret is bound to, where the library keeps it.

        Raises:
            Busy: The database cannot be read now.
        """
        rows = await _asked(self._keys.named_in(message.message_id))
        # Senders choose the ids of their messages: two with the same id cannot be told apart.
        if len(rows) != 1:
            return message
        chat, sender = rows[0]
        return replace(message, chat=chat, sender=sender)

    async def as_named_in_chat(self, message: Message) -> Message:
        """The message, its author by the address that its group uses; unchanged where that is unknown.

        Raises:
            Busy: The database cannot be read now.
        """
        if not message.sender or not Jid.parse(message.chat).is_group:
            return message
        sender_row = await _asked(self._keys.sender_in(message.chat, message.message_id))
        if sender_row is None:
            return message
        message_id, sender = sender_row
        if message_id == message.message_id:
            return replace(message, sender=sender)
        author = Jid.parse(message.sender)
        if author.is_lid or not Jid.parse(sender).is_lid:
            return message
        lid = await _asked(self._keys.lid_of(author))
        return replace(message, sender=lid) if lid else message


async def _asked(answer: Awaitable[T]) -> T:
    try:
        return await answer
    except KeysUnreadable as error:
        raise Busy("The client library's database cannot be read now.") from error
