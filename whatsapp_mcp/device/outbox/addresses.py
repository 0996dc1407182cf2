"""By which addresses a message names its chat and its author, as the client library's database says.

A person has two, the phone number and the LID, and a group uses one of them. The library keeps the secret of
each message under the addresses that it used (whatsmeow, `msgsecret.go`).

The leader reads this and not the client process: a second copy of SQLite in the library's own process frees
its locks on the file and undoes its half-done writes, which ruins the keys
(https://sqlite.org/howtocorrupt.html, 2.2.1).
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio.to_thread

from whatsapp_mcp.device.connection import opened
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.jid import LID_SERVER, Jid
from whatsapp_mcp.models import Message

_OF_MESSAGE: Final = "SELECT chat_jid, sender_jid FROM whatsmeow_message_secrets WHERE message_id = ?"
_OF_CHAT: Final = """SELECT message_id, sender_jid FROM whatsmeow_message_secrets WHERE chat_jid = ?
ORDER BY message_id = ? DESC, rowid DESC LIMIT 1"""
_LID_OF: Final = "SELECT lid FROM whatsmeow_lid_map WHERE pn = ?"


class Addresses:
    """Puts messages into the addresses that WhatsApp knows them by.

    Args:
        path: `client.db`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def as_stored(self, message: Message) -> Message:
        """The message with the chat and the author that its secret is bound to, where the library keeps it.

        Raises:
            Busy: The database cannot be read now.
        """
        rows = await self._ask(_OF_MESSAGE, message.message_id)
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
        rows = await self._ask(_OF_CHAT, message.chat, message.message_id)
        if not rows:
            return message
        message_id, sender = rows[0]
        if message_id == message.message_id:
            return replace(message, sender=sender)
        author = Jid.parse(message.sender)
        if author.is_lid or not Jid.parse(sender).is_lid:
            return message
        found = await self._ask(_LID_OF, author.user)
        return replace(message, sender=str(Jid(found[0][0], LID_SERVER))) if found else message

    async def _ask(self, query: str, *values: str) -> list[tuple[str, ...]]:
        try:
            return await anyio.to_thread.run_sync(self._rows, query, values)
        except sqlite3.Error as error:
            raise Busy("The client library's database cannot be read now.") from error

    def _rows(self, query: str, values: tuple[str, ...]) -> list[tuple[str, ...]]:
        with opened(self._path) as db:
            return db.execute(query, values).fetchall()
