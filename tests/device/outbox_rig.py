"""An outbox whose client and WhatsApp are the test's own."""

from __future__ import annotations

import sqlite3
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from tests.device.fake_clock import FakeClock
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.device.connection import FileKeys
from whatsapp_mcp.device.outbox.addresses import Addresses
from whatsapp_mcp.device.outbox.composing import Composed, compose
from whatsapp_mcp.device.outbox.delivery_evidence import DeliveryEvidence
from whatsapp_mcp.device.outbox.outbox import Outbox
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.errors import NotConnected, NotLinked
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import SendRequest, SendStatus, TextContent
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import StoredDevice

ANN = "15550002222@s.whatsapp.net"
BOB = "15550003333@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
TABLES = """
CREATE TABLE IF NOT EXISTS whatsmeow_message_secrets (message_id TEXT, key BLOB);
CREATE TABLE IF NOT EXISTS whatsmeow_lid_map (lid TEXT PRIMARY KEY, pn TEXT);
CREATE TABLE IF NOT EXISTS whatsmeow_device (jid TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS whatsmeow_sessions (
    our_jid TEXT, their_id TEXT, session BLOB, PRIMARY KEY (our_jid, their_id)
);
CREATE TABLE IF NOT EXISTS whatsmeow_sender_keys (
    our_jid TEXT, chat_id TEXT, sender_id TEXT, sender_key BLOB, PRIMARY KEY (our_jid, chat_id, sender_id)
);
INSERT OR IGNORE INTO whatsmeow_device VALUES ('15550001111:1@s.whatsapp.net');
INSERT OR IGNORE INTO whatsmeow_lid_map VALUES ('91', '15550001111'), ('92', '15550002222');
INSERT OR IGNORE INTO whatsmeow_sessions VALUES
    ('15550001111:1@s.whatsapp.net', '92_1:0', x'61'), ('15550001111:1@s.whatsapp.net', '93_1:0', x'62');
INSERT OR IGNORE INTO whatsmeow_sender_keys VALUES
    ('15550001111:1@s.whatsapp.net', '120363000000000001@g.us', '91_1:1', x'6b');
"""


@dataclass
class Wire:
    """Client and WhatsApp as the outbox sees them: what was handed over, what it answers and notes.

    As the library does, it notes a message's secret and moves the keys on before WhatsApp has the message.

    Attributes:
        handed_over: The chats of the messages that WhatsApp has.
        raises: What ends each hand-over before WhatsApp has the message.
        gate: What each hand-over waits for before that.
        begun: Set as soon as a message was handed over.
        notes: Whether the secret is noted before the gate already.
        encrypts: Whether the keys move on then, too.
        reaches: Whether the message is encrypted for the other person.
        is_silent: Whether the answer never comes, though WhatsApp has the message.
    """

    online: bool = True
    linked: bool = True
    handed_over: list[str] = field(default_factory=list[str])
    raises: Exception | None = None
    gate: anyio.Event | None = None
    begun: anyio.Event = field(default_factory=anyio.Event)
    notes: bool = False
    encrypts: bool = False
    reaches: bool = True
    is_silent: bool = False
    timestamp: int = 1_767_225_600
    generation: int = 1
    registration: int = 7
    database: Path | None = None

    def unavailable(self) -> NotConnected | NotLinked:
        """Why nothing can be sent."""
        return NotConnected("It is down.", "Mend it.") if self.linked else NotLinked("No phone is linked.")

    async def hand_over(self, chat: str, message: str, handed_to: str, deadline: float) -> dict[str, Any]:
        self.begun.set()
        made, is_noted, is_encrypted = E2E.Message.FromString(b64decode(message)), self.notes, self.encrypts
        if is_noted:
            self.note(made)
        if is_encrypted:
            self.move_keys()
        if self.gate is not None:
            await self.gate.wait()
        if self.raises is not None:
            raise self.raises
        if not is_noted:
            self.note(made)
        if self.reaches and not is_encrypted:
            self.move_keys()
        self.handed_over.append(chat)
        if self.is_silent:
            await anyio.sleep_forever()
        return {"id": f"3EB0{len(self.handed_over):012d}", "timestamp": self.timestamp}

    def open(self, folder: AccountFolder) -> DeliveryEvidence:
        """What the library has noted, in a database of its own."""
        self.database = folder.client_db
        with closing(sqlite3.connect(self.database)) as db, db:
            db.executescript(TABLES)
        return DeliveryEvidence(
            FileKeys(self.database),
            device=lambda: StoredDevice(
                Jid.parse("15550001111:1@s.whatsapp.net"), None, None, self.registration
            ),
            generation=lambda: self.generation,
            ended=lambda generation: self.online and generation < self.generation,
        )

    def note(self, message: E2E.Message) -> None:
        """Keep a message's secret, if it has one."""
        assert self.database is not None
        if not (secret := message.messageContextInfo.messageSecret):
            return
        with closing(sqlite3.connect(self.database)) as db, db:
            name = f"3EB0{message.conversation.upper()}"
            db.execute("INSERT INTO whatsmeow_message_secrets VALUES (?, ?)", (name, secret))

    def move_keys(self) -> None:
        """What encrypting a message does to the keys."""
        assert self.database is not None
        with closing(sqlite3.connect(self.database)) as db, db:
            db.execute("UPDATE whatsmeow_sessions SET session = CAST(session || 'x' AS BLOB)")
            db.execute("UPDATE whatsmeow_sender_keys SET sender_key = CAST(sender_key || 'x' AS BLOB)")

    def renew(self) -> None:
        """The client has ended, and another one is logged in."""
        self.generation += 1
        self.raises, self.gate = None, None
        self.notes = self.encrypts = self.is_silent = False


@dataclass
class Rig:
    outbox: Outbox
    archive: Archive
    wire: Wire
    clock: FakeClock

    async def status(self, send_id: int) -> SendStatus:
        return (await self.archive.outbox_get(send_id)).status

    async def until(self, send_id: int, status: SendStatus) -> None:
        with anyio.fail_after(30):
            while await self.status(send_id) is not status:  # noqa: ASYNC110
                await anyio.sleep(0.005)

    async def until_named(self, send_id: int, message_id: str) -> None:
        with anyio.fail_after(30):
            while (await self.archive.outbox_get(send_id)).message_id != message_id:  # noqa: ASYNC110
                await anyio.sleep(0.005)


async def never_called(method: str, params: dict[str, Any]) -> Any:
    """A text needs nothing of the client but to be sent."""
    raise AssertionError(method)


async def no_preview(text: str) -> None:
    """A text that asks for none gets none."""
    raise AssertionError(text)


Compose = Callable[[SendRequest], Awaitable[Composed]]


@dataclass
class WireSender:
    """The outbox's `Sender` over a wire."""

    wire: Wire
    composing: Compose

    async def compose(self, request: SendRequest) -> Composed:
        """See `Sender.compose`."""
        return await self.composing(request)

    async def hand_over(self, chat: str, message: str, handed_to: str, deadline: float) -> dict[str, Any]:
        """See `Sender.hand_over`."""
        return await self.wire.hand_over(chat, message, handed_to, deadline)

    async def unanswered(self, chat: str) -> None:
        """See `Sender.unanswered`."""


@asynccontextmanager
async def rig(
    folder: AccountFolder,
    wire: Wire | None = None,
    *,
    composing: Compose | None = None,
    call: Callable[[str, dict[str, Any]], Awaitable[Any]] = never_called,
    keep: Callable[[Iterable[str]], Awaitable[None]] | None = None,
) -> AsyncIterator[Rig]:
    """A running outbox of this account.

    Args:
        folder: The account's files.
        wire: What it hands its sends to.
        composing: Makes its messages; as always when not given.
        call: What a message that is made needs of the client.
        keep: Keeps its files.
    """
    wire, clock = wire or Wire(), FakeClock()
    async with open_archive(folder, write=True) as archive, background_tasks() as tasks:
        addresses = Addresses(FileKeys(folder.client_db))
        usual = partial(compose, archive=archive, addresses=addresses, call=call, preview=no_preview)
        outbox = Outbox(
            archive,
            clock,
            WireSender(wire, composing or usual),
            wire.open(folder),
            online=lambda: wire.online,
            linked=lambda: wire.linked,
            unavailable=wire.unavailable,
            keep=keep,
        )
        tasks.start_soon(outbox.run)
        yield Rig(outbox, archive, wire, clock)


def text(
    words: str, chat: str = ANN, *, key: str | None = None, wait: float = 5.0, queue: bool = True
) -> SendRequest:
    return SendRequest(chat, TextContent(words), idempotency_key=key, wait=wait, queue=queue)
