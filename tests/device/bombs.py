"""Events that a few bytes make large: what they would take, parsed, is many times what they have."""

from __future__ import annotations

from typing import Any

from tests.archive import events as ev
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.protobufs import E2E, HistorySync, Neonize, Web

MEBIBYTE = 1 << 20


def field(kind: Any, name: str, value: bytes) -> bytes:
    """A field of a message class, as it stands on the wire."""
    return number(kind.DESCRIPTOR.fields_by_name[name].number << 3 | 2) + number(len(value)) + value


def number(value: int) -> bytes:
    """A number of variable length."""
    low, high = value & 127, value >> 7
    return bytes([low | 128]) + number(high) if high else bytes([low])


def repeated(kind: Any, name: str, value: bytes, size: int) -> bytes:
    """So many bytes of one field, again and again."""
    one = field(kind, name, value)
    return one * (size // len(one))


def conversations(size: int) -> ev.Raw:
    """A chunk of history with nothing but empty conversations."""
    data = repeated(HistorySync.HistorySync, "conversations", b"", size)
    return ev.Raw(EventCode.HISTORY_SYNC, field(Neonize.HistorySync, "Data", data))


def messages(size: int) -> ev.Raw:
    """A chunk of history with one conversation of messages that say nothing."""
    entry = field(HistorySync.HistorySyncMsg, "message", field(Web.WebMessageInfo, "message", b""))
    conversation = repeated(HistorySync.Conversation, "messages", entry, size)
    data = field(HistorySync.HistorySync, "conversations", conversation)
    return ev.Raw(EventCode.HISTORY_SYNC, field(Neonize.HistorySync, "Data", data))


def names(size: int) -> ev.Raw:
    """A chunk of history that names one person very often."""
    name = field(HistorySync.Pushname, "ID", b"1@lid") + field(HistorySync.Pushname, "pushname", b"A")
    data = repeated(HistorySync.HistorySync, "pushnames", name, size)
    return ev.Raw(EventCode.HISTORY_SYNC, field(Neonize.HistorySync, "Data", data))


def people(count: int) -> ev.Raw:
    """A chunk of history that names so many people."""
    past = HistorySync.HistorySync(syncType=HistorySync.HistorySync.PUSH_NAME)
    for at in range(count):
        past.pushnames.add(ID=f"1555{at:07}@s.whatsapp.net", pushname=f"Person {at}")
    return _history(past)


def addresses(count: int) -> ev.Raw:
    """A chunk of history with two addresses of so many people."""
    past = HistorySync.HistorySync(syncType=HistorySync.HistorySync.RECENT)
    for at in range(count):
        past.phoneNumberToLidMappings.add(pnJID=f"1555{at:07}@s.whatsapp.net", lidJID=f"9{at:07}@lid")
    return _history(past)


def chats(count: int) -> ev.Raw:
    """A chunk of history with so many conversations in which nothing was written."""
    past = HistorySync.HistorySync(syncType=HistorySync.HistorySync.RECENT)
    for at in range(count):
        past.conversations.add(ID=f"1555{at:07}@s.whatsapp.net", name=f"Person {at}")
    return _history(past)


def _history(past: HistorySync.HistorySync) -> ev.Raw:
    return ev.Raw(EventCode.HISTORY_SYNC, field(Neonize.HistorySync, "Data", past.SerializeToString()))


def texts(size: int) -> ev.Raw:
    """A chunk of history with messages of a megabyte."""
    past = [ev.web_message(f"T{n}", "x" * (MEBIBYTE - 1024)) for n in range(size // MEBIBYTE)]
    return ev.history(ev.conversation(past))


def receipts(size: int) -> ev.Raw:
    """A chunk of history with one's own messages, each of which one person has had very often."""
    message = ev.web_message("R1", sender=None).SerializeToString()
    receipt = Web.UserReceipt(userJID="1@lid", receiptTimestamp=1).SerializeToString()
    message += repeated(Web.WebMessageInfo, "userReceipt", receipt, MEBIBYTE // 2)
    entry = field(HistorySync.HistorySyncMsg, "message", message)
    conversation = field(HistorySync.Conversation, "ID", b"1@s.whatsapp.net")
    conversation += repeated(HistorySync.Conversation, "messages", entry, size)
    data = field(HistorySync.HistorySync, "conversations", conversation)
    return ev.Raw(EventCode.HISTORY_SYNC, field(Neonize.HistorySync, "Data", data))


def said(body: bytes) -> ev.Raw:
    """A message of Ana with this body."""
    event = ev.message("BOMB")
    return ev.Raw(event.code, event.payload + field(Neonize.Message, "Message", body))


def options(size: int) -> ev.Raw:
    """A poll with empty options."""
    poll = repeated(E2E.PollCreationMessage, "options", b"", size)
    return said(field(E2E.Message, "pollCreationMessage", poll))


def mentions(size: int) -> ev.Raw:
    """A text that mentions nobody, very often."""
    context = repeated(E2E.ContextInfo, "mentionedJID", b"", size)
    text = field(E2E.ExtendedTextMessage, "contextInfo", context)
    return said(field(E2E.Message, "extendedTextMessage", text))


def members(size: int) -> ev.Raw:
    """A group with members of whom nothing is known."""
    group = repeated(Neonize.GroupInfo, "Participants", b"", size)
    return ev.Raw(EventCode.JOINED_GROUP, field(Neonize.JoinedGroup, "GroupInfo", group))


def quotes(depth: int) -> ev.Raw:
    """A quote of a quote of a quote."""
    body = b""
    for _ in range(depth):
        context = field(E2E.ContextInfo, "quotedMessage", body)
        body = field(
            E2E.Message, "extendedTextMessage", field(E2E.ExtendedTextMessage, "contextInfo", context)
        )
    return said(body)


def large(size: int) -> ev.Raw:
    """One field of so many bytes."""
    return said(field(E2E.Message, "conversation", b"x" * size))
