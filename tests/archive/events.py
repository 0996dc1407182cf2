"""Events of the client library, built as its protobufs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.protobufs import E2E, HistorySync, Neonize, Web

ME = "10000@s.whatsapp.net"
MY_LID = "90000@lid"
ANA = "15550000001@s.whatsapp.net"
ANA_LID = "80001@lid"
BOB = "15550000002@s.whatsapp.net"
BOB_LID = "80002@lid"
GROUP = "120363000000000001@g.us"
NOON = 1_700_000_000
NOW = datetime.fromtimestamp(NOON, UTC) + timedelta(days=90)
"""When everything is archived."""
"""Seconds since 1970 at which most of what is told here happens."""


@dataclass(frozen=True, slots=True)
class Event:
    """A row of the journal."""

    seq: int
    code: int
    payload: bytes
    generation: int = 1
    received_at: int = NOON * 1000


@dataclass(frozen=True, slots=True)
class Raw:
    """An event without its place in the journal."""

    code: EventCode
    payload: bytes
    received_at: int = NOON

    def __repr__(self) -> str:
        """What a failing property test shows."""
        kinds: dict[EventCode, Any] = {EventCode.MESSAGE: Neonize.Message, EventCode.RECEIPT: Neonize.Receipt}
        kind = kinds.get(self.code)
        if kind is None:
            return f"{self.code.name}({self.payload!r})"
        event = kind.FromString(self.payload)
        where = event.Info.MessageSource if self.code is EventCode.MESSAGE else event.MessageSource
        places = "/".join(f"{one.User}@{one.Server}" for one in (where.Chat, where.Sender, where.SenderAlt))
        said = f"{event.Info.ID} {event.Message}" if self.code is EventCode.MESSAGE else f"{event.MessageIDs}"
        return f"{self.code.name}({places} {said})"


def journal(events: Iterable[Raw], after: int = 0) -> list[Event]:
    """Events in the order of arrival."""
    return [
        Event(seq, int(event.code), event.payload, received_at=event.received_at * 1000)
        for seq, event in enumerate(events, after + 1)
    ]


def jid(target: Any, text: str | None) -> None:
    """Fill a `neonize.JID`."""
    user, _, server = (text or "@").partition("@")
    target.User, target.Server = user, server
    target.RawAgent = target.Device = target.Integrator = 0
    target.IsEmpty = not user


def source(target: Any, chat: str, sender: str | None, alt: str | None, recipient_alt: str | None) -> None:
    """Fill a `neonize.MessageSource`; a sender of None is the account's owner."""
    jid(target.Chat, chat)
    jid(target.Sender, sender or ME)
    jid(target.SenderAlt, alt)
    jid(target.RecipientAlt, recipient_alt)
    jid(target.BroadcastListOwner, None)
    target.IsFromMe = sender is None
    target.IsGroup = chat.endswith("@g.us")


def _info(
    target: Any,
    wa_id: str,
    chat: str,
    sender: str | None,
    at: int,
    name: str,
    alt: str | None,
    recipient_alt: str | None,
) -> None:
    source(target.MessageSource, chat, sender, alt, recipient_alt)
    target.ID, target.ServerID, target.Type = wa_id, 0, "text"
    target.Pushname, target.Timestamp = name, at * 1000
    target.Category = target.MediaType = target.Edit = ""
    target.Multicast = False


def message(
    wa_id: str,
    body: Any = "hi",
    *,
    chat: str = ANA,
    sender: str | None = "",
    at: int = NOON,
    name: str = "",
    alt: str | None = None,
    recipient_alt: str | None = None,
    edit: str = "",
) -> Raw:
    """A message; `body` is a text or an `E2E.Message`, a `sender` left out is the chat's other person."""
    event = Neonize.Message()
    _info(event.Info, wa_id, chat, chat if sender == "" else sender, at, name, alt, recipient_alt)
    event.Info.Edit = edit
    for field in event.DESCRIPTOR.fields:
        if field.name.startswith("Is"):
            setattr(event, field.name, False)
    event.UnavailableRequestID, event.RetryCount = "", 0
    event.Message.CopyFrom(E2E.Message(conversation=body) if isinstance(body, str) else body)
    return Raw(EventCode.MESSAGE, event.SerializeToString())


def undecryptable(wa_id: str, *, chat: str = ANA, sender: str | None = "", at: int = NOON) -> Raw:
    """A message that could not be decrypted."""
    event: Any = Neonize.UndecryptableMessage(IsUnavailable=False)
    event.DecryptFailMode = 1
    _info(event.Info, wa_id, chat, chat if sender == "" else sender, at, "", None, None)
    return Raw(EventCode.UNDECRYPTABLE_MESSAGE, event.SerializeToString())


def receipt(
    *wa_ids: str,
    kind: str = "READ",
    chat: str = ANA,
    sender: str | None = "",
    at: int = NOON + 10,
    alt: str | None = None,
) -> Raw:
    """A receipt; a sender of None is another device of ours."""
    event: Any = Neonize.Receipt(MessageIDs=list(wa_ids), Timestamp=at)
    event.Type = event.DESCRIPTOR.fields_by_name["Type"].enum_type.values_by_name[kind].number
    source(event.MessageSource, chat, chat if sender == "" else sender, alt, None)
    return Raw(EventCode.RECEIPT, event.SerializeToString())


def edit(wa_id: str, text: str, *, at: int = NOON + 60, own_id: str = "", **where: Any) -> Raw:
    """A new text for an earlier message."""
    body: Any = E2E.Message()
    body.protocolMessage.type = 14
    body.protocolMessage.key.ID = wa_id
    body.protocolMessage.timestampMS = at * 1000
    body.protocolMessage.editedMessage.conversation = text
    return message(own_id or f"E-{wa_id}-{at}", body, at=at, **where)


def revoke(wa_id: str, *, of: str | None = None, at: int = NOON + 90, **where: Any) -> Raw:
    """A message deleted for everyone; `of` is its sender when an admin deletes it."""
    body: Any = E2E.Message()
    body.protocolMessage.type = 0
    body.protocolMessage.key.ID = wa_id
    if of:
        body.protocolMessage.key.participant = of
    return message(f"R-{wa_id}-{at}", body, at=at, edit="8" if of else "7", **where)


def reaction(wa_id: str, emoji: str, *, at: int = NOON + 30, **where: Any) -> Raw:
    """An emoji under a message."""
    body = E2E.Message()
    body.reactionMessage.key.ID = wa_id
    body.reactionMessage.text = emoji
    body.reactionMessage.senderTimestampMS = at * 1000
    return message(f"X-{wa_id}-{emoji}-{at}-{where.get('sender', '')}", body, at=at, **where)


def web_message(
    wa_id: str,
    body: Any = "hi",
    *,
    chat: str = ANA,
    sender: str | None = "",
    at: int = NOON,
    name: str = "",
    status: int | None = None,
) -> Any:
    """One `WebMessageInfo` of a history sync; a sender of None is the account's owner."""
    value: Any = Web.WebMessageInfo(messageTimestamp=at)
    value.key.remoteJID, value.key.ID, value.key.fromMe = chat, wa_id, sender is None
    if sender and sender != chat:
        value.participant = sender
    if name:
        value.pushName = name
    if status is not None:
        value.status = status
    value.message.CopyFrom(E2E.Message(conversation=body) if isinstance(body, str) else body)
    return value


def conversation(
    messages: Iterable[Any], *, chat: str = ANA, unread: int = 0, name: str = "", more: Any = None
) -> Any:
    """One conversation of a history sync, newest message first as the phone sends it."""
    value = HistorySync.Conversation(ID=chat, unreadCount=unread)
    if name:
        value.name = name
    for one in messages:
        value.messages.add().message.CopyFrom(one)
    if more is not None:
        value.MergeFrom(more)
    return value


def history(
    *conversations: Any,
    kind: int = 3,
    chunk: int = 1,
    progress: int | None = None,
    more: Any = None,
    received_at: int = NOON,
) -> Raw:
    """A history sync chunk (`kind` 3: recent)."""
    event = Neonize.HistorySync()
    event.Data.syncType = kind
    event.Data.chunkOrder = chunk
    if progress is not None:
        event.Data.progress = progress
    for one in conversations:
        event.Data.conversations.add().CopyFrom(one)
    if more is not None:
        event.Data.MergeFrom(more)
    return Raw(EventCode.HISTORY_SYNC, event.SerializeToString(), received_at)
