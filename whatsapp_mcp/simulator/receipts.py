"""Receipts: what became of a message, told to whoever wrote it and to the reader's other devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.simulator import direct, group_messages, media_retry
from whatsapp_mcp.simulator.audience import StatusFeed
from whatsapp_mcp.simulator.binary import Node
from whatsapp_mcp.simulator.companion import Companion
from whatsapp_mcp.simulator.envelope import Receipt, Received
from whatsapp_mcp.simulator.groups import Group

if TYPE_CHECKING:
    from whatsapp_mcp.simulator.party import Party
    from whatsapp_mcp.simulator.phone import Phone

_READ = {"read", "read-self", "played", "played-self"}
_SHOWN = {"delivered", "read", "played"}


def tell_author(reader: Party, received: Received, kind: str) -> None:
    """Tell the companions of whoever wrote a message that it arrived (no kind) or was read."""
    network = reader.network
    author = network.party(received.sender)
    if author is not None:
        _receipt(reader, received.id, kind, author, network.groups.get(received.chat))


def read_on_phone(phone: Phone, received: Received) -> None:
    """Tell the sender of a message, and the phone's own companions, that the phone has read it."""
    network, sender = phone.network, phone.network.party(received.sender)
    group = network.groups.get(received.chat)
    shown = phone.privacy["readreceipts"] == "all"
    if shown and sender is not None:
        sender.receipts.append(Receipt(received.id, "read", phone.lid))
        tell_author(phone, received, "read")
    kind = "read" if shown else "read-self"
    author = group.address(sender) if group and sender else None
    _tell_own(phone, [received.id], kind, received.chat, author)
    network.notify()


def accept(companion: Companion, node: Node) -> None:
    """Take a companion's receipt: it settles deliveries, and whoever wrote the messages learns of it."""
    network, to = companion.network, node.jid("to")
    _acknowledge(companion, node)
    kind = node.get("type") or "delivered"
    if kind == "server-error":
        media_retry.accept(companion, node)
        return
    items = node.child("list")
    ids = [node.get("id"), *(item.get("id") for item in (items.children if items else ()))]
    for message_id in ids:
        companion.settle("message", message_id)
    if to is not None and kind in _READ:
        _tell_own(companion.phone, ids, kind, to, node.jid("participant"), but=companion)
    author = node.jid("participant") or to
    party = network.party(author) if author else None
    if party is not None:
        party.receipts += [Receipt(message_id, kind, companion.lid) for message_id in ids]
    if party is not None and kind in _SHOWN:
        group = network.groups.get(to) if to else None
        for message_id in ids:
            _receipt(companion.phone, message_id, node.get("type"), party, group)
    if kind == "retry":
        network.remark("undecryptable", f"{node.get('id')} by {companion.lid}")
        if party is not None:
            _resend(party, companion, node.get("id"))
    network.notify()


def _acknowledge(companion: Companion, node: Node) -> None:
    if companion.connection is not None:
        kept = {key: node.attrs[key] for key in ("type", "participant") if key in node.attrs}
        attrs = {"class": "receipt", "id": node.get("id"), "from": node.jid("to"), **kept}
        companion.connection.send(Node("ack", attrs))


def _receipt(sender: Party, message_id: str, kind: str, to: Party, group: Group | None) -> None:
    """Tell every companion of `to` what became of its message; no kind means delivered."""
    attrs = {
        "from": group.jid if group else sender.address,
        "participant": group.address(sender) if group else None,
        "id": message_id,
        "type": kind or None,
        "t": sender.network.timestamp(),
    }
    for companion in to.companions.values():
        companion.deliver(Node("receipt", attrs))


def _tell_own(
    phone: Phone, ids: list[str], kind: str, chat: Jid, author: Jid | None, but: Companion | None = None
) -> None:
    """Tell the other companions of an account what one of its devices has read."""
    for companion in phone.companions.values():
        if companion is but:
            continue
        for message_id in ids:
            attrs = {
                "from": phone.lid,
                "recipient": chat,
                "participant": author,
                "id": message_id,
                "type": kind,
                "t": phone.network.timestamp(),
            }
            companion.deliver(Node("receipt", attrs))


def _resend(sender: Party, companion: Companion, message_id: str) -> None:
    """Encrypt a message anew, in a new session, for a companion that could not decrypt it."""
    outgoing = sender.sent.get(message_id)
    if outgoing is None:
        return
    sender.begin_session(companion.lid, companion.take_bundle())
    if isinstance(outgoing.to, Group | StatusFeed):
        group_messages.resend(sender, outgoing.to, companion, outgoing)
    else:
        companion.deliver(direct.encrypted(sender, companion, outgoing.to, outgoing))
