"""Messages: from those on WhatsApp to each companion, from a companion to each of them, and receipts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
from google.protobuf.message import DecodeError

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.simulator.binary import Node
from whatsapp_mcp.simulator.companion import Companion
from whatsapp_mcp.simulator.signal.wire import SignalError

if TYPE_CHECKING:
    from whatsapp_mcp.simulator.groups import Group
    from whatsapp_mcp.simulator.people import Party

_MEDIA = {
    "imageMessage": "image",
    "videoMessage": "video",
    "audioMessage": "audio",
    "documentMessage": "document",
    "stickerMessage": "sticker",
    "locationMessage": "location",
    "liveLocationMessage": "livelocation",
    "contactMessage": "vcard",
    "contactsArrayMessage": "contact_array",
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What somebody sent, kept so that it can be encrypted anew for a companion that asks."""

    message: Any
    to: Party | Group
    timestamp: int


@dataclass(frozen=True, slots=True)
class Received:
    """A message as its addressee decrypted it.

    Attributes:
        id: The message id.
        message: The decrypted `E2E.Message`.
        sender: The LID of the account that sent it.
        chat: The sender for a direct message, the group for one to a group.
        timestamp: Seconds since 1970.
        stanza: The stanza that carried it.
    """

    id: str
    message: Any
    sender: Jid
    chat: Jid
    timestamp: int
    stanza: Node

    @property
    def text(self) -> str:
        """What it says, for a text; a caption or nothing for other kinds."""
        return text_of(self.message)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt for one message: `kind` is `delivered`, `read`, `played`, `inactive`, `retry` ..."""

    id: str
    kind: str
    sender: Jid


def text_of(message: Any) -> str:
    """The words of an `E2E.Message`: its text, or the caption of its media."""
    if message.conversation:
        return message.conversation
    if message.HasField("extendedTextMessage"):
        return message.extendedTextMessage.text
    for field in ("imageMessage", "videoMessage", "documentMessage"):
        if message.HasField(field):
            return getattr(message, field).caption
    return ""


def stanza_type(message: Any) -> tuple[str, str | None]:
    """The `type` of the message stanza and the `mediatype` of its enc, as clients set them."""
    for field, media in _MEDIA.items():
        if message.HasField(field):
            return "media", "ptt" if media == "audio" and message.audioMessage.PTT else media
    if message.HasField("reactionMessage"):
        return "reaction", None
    if message.HasField("pollCreationMessage") or message.HasField("pollUpdateMessage"):
        return "poll", None
    return "text", None


async def post(
    sender: Party, message: Any, to: Party | Group, *, id: str | None = None, at: int | None = None
) -> str:
    """Send `message` to everybody it is for and to the sender's own companions; the id of it.

    `at` is when it was sent, seconds since 1970; now when left out.
    """
    message_id = id or sender.network.new_id()
    outgoing = Outgoing(message, to, sender.network.timestamp() if at is None else at)
    sender.sent[message_id] = outgoing
    for companion in _companions(sender, to):
        companion.deliver(_encrypted(sender, companion, message_id, outgoing))
        await anyio.lowlevel.checkpoint()
    _to_phones(sender, message_id, outgoing)
    return message_id


def resend(sender: Party, companion: Companion, message_id: str) -> None:
    """Encrypt a message anew for a companion that could not decrypt it."""
    outgoing = sender.sent.get(message_id)
    if outgoing is not None:
        companion.deliver(_encrypted(sender, companion, message_id, outgoing))


def receipt(sender: Party, message_id: str, kind: str, to: Party) -> None:
    """Tell every companion of `to` what became of its message; no kind means delivered."""
    attrs = {"from": sender.lid, "id": message_id, "type": kind or None, "t": sender.network.timestamp()}
    for companion in to.companions.values():
        companion.deliver(Node("receipt", attrs))


def _companions(sender: Party, to: Party | Group) -> Iterator[Companion]:
    for party in dict.fromkeys((to, sender)):
        yield from list(party.companions.values())


def _encrypted(sender: Party, companion: Companion, message_id: str, outgoing: Outgoing) -> Node:
    own = companion.phone is sender
    message, to = outgoing.message, outgoing.to
    if own:
        copy = E2E.DeviceSentMessage(destinationJID=str(to.lid), message=message)
        message = E2E.Message(deviceSentMessage=copy)
    kind, ciphertext = sender.encrypt(companion, message.SerializeToString())
    stanza, media = stanza_type(outgoing.message)
    attrs = {
        "from": sender.lid,
        "sender_pn": None if own else sender.pn,
        "recipient": to.lid if own else None,
        "peer_recipient_pn": to.pn if own else None,
        "id": message_id,
        "t": outgoing.timestamp,
        "type": stanza,
        "notify": sender.name,
    }
    return Node("message", attrs, [Node("enc", {"v": 2, "type": kind, "mediatype": media}, ciphertext)])


def _to_phones(sender: Party, message_id: str, outgoing: Outgoing) -> None:
    stanza = Node("message", {"from": sender.lid, "id": message_id})
    received = Received(message_id, outgoing.message, sender.lid, sender.lid, outgoing.timestamp, stanza)
    outgoing.to.take_in(received)


def accept(companion: Companion, node: Node) -> None:
    """Deliver what a companion sends to each device it is encrypted for, once, and acknowledge it."""
    network = companion.network
    faults = network.faults
    to = node.jid("to")
    if to is None:
        network.remark("malformed", repr(node))
        return
    attrs = {"class": "message", "id": node.get("id"), "from": to, "t": network.timestamp()}
    if faults.ack_error is None and companion.first_time(node.get("id")):
        _forward(companion, node, to)
    if not faults.no_acks and companion.connection is not None:
        companion.connection.send(Node("ack", {**attrs, "error": faults.ack_error}))


def _forward(companion: Companion, node: Node, to: Jid) -> None:
    participants = node.child("participants")
    if participants is not None:
        copies = [(each.jid("jid"), list(each.all("enc"))) for each in participants.all("to")]
    else:
        copies = [(to, list(node.all("enc")))]
    for device, encs in copies:
        party = companion.network.party(device) if device else None
        if party is None or device is None:
            companion.network.remark("unknown recipient", str(device))
        elif device.device == 0:
            for enc in encs:
                _decrypt(companion, party, node, to, enc)
        elif device.device in party.companions:
            party.companions[device.device].deliver(_relayed(companion, node, to, encs, party))


def _relayed(companion: Companion, node: Node, to: Jid, encs: list[Node], party: Party) -> Node:
    """The stanza that another companion gets."""
    attrs: dict[str, Any] = {
        "from": companion.lid,
        "sender_pn": companion.pn,
        "id": node.get("id"),
        "t": companion.network.timestamp(),
        "type": node.get("type"),
        "notify": companion.phone.name,
    }
    if party is companion.phone:
        attrs |= {"recipient": to, "sender_pn": None}
    identity = node.child("device-identity")
    return Node("message", attrs, [*encs, *([identity] if identity else [])])


def _decrypt(companion: Companion, party: Party, node: Node, to: Jid, enc: Node) -> None:
    network = companion.network
    try:
        plaintext = party.decrypt(companion.lid, enc.get("type"), enc.data)
        message = E2E.Message.FromString(plaintext)
    except (SignalError, DecodeError) as error:
        network.remark("undecryptable", f"{node.get('id')} from {companion.lid} at {party.lid}: {error}")
        return
    if message.HasField("deviceSentMessage"):
        message = message.deviceSentMessage.message
    chat = to if party is companion.phone else companion.phone.lid
    received = Received(node.get("id"), message, companion.phone.lid, chat, network.timestamp(), node)
    party.take_in(received)


def accept_receipt(companion: Companion, node: Node) -> None:
    """Take a companion's receipt: it settles a delivery, and its sender learns of it."""
    network = companion.network
    kind = node.get("type") or "delivered"
    items = node.child("list")
    ids = [node.get("id"), *(item.get("id") for item in (items.children if items else ()))]
    target = node.jid("participant") or node.jid("to")
    party = network.party(target) if target else None
    if companion.connection is not None:
        to = {
            "class": "receipt",
            "id": node.get("id"),
            "from": node.jid("to"),
            "type": node.attrs.get("type"),
        }
        companion.connection.send(Node("ack", {**to, "participant": node.attrs.get("participant")}))
    for message_id in ids:
        companion.settle("message", message_id)
        if party is not None:
            party.receipts.append(Receipt(message_id, kind, companion.lid))
    if kind == "retry":
        network.remark("undecryptable", f"{node.get('id')} by {companion.lid}")
        if party is not None:
            resend(party, companion, node.get("id"))
    network.notify()
