"""Receipts: sent to the author of a message and to the reader's other devices."""

from __future__ import annotations

from whatsapp_mcp.jid import Jid
from whatsapp_simulator import direct, group_messages, media_retry
from whatsapp_simulator.account import Account, Client
from whatsapp_simulator.binary import Node
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.envelope import Receipt, Received
from whatsapp_simulator.groups import Group
from whatsapp_simulator.network import Network
from whatsapp_simulator.user import User

_READ = {"read", "read-self", "played", "played-self"}
_SHOWN = {"delivered", "read", "played"}


def notify_author(network: Network, reader: User, received: Received, kind: str) -> None:
    """Send the author's companions a receipt for a message: delivered (no kind) or read."""
    author = network.user(received.sender)
    if author is not None:
        _receipt(reader, received.id, kind, author, network.groups.get(received.chat))


def read_on_phone(account: Account, received: Received) -> None:
    """Send the sender of a message, and the phone's own companions, the phone's read receipt."""
    network, sender = account.network, account.network.user(received.sender)
    group = network.groups.get(received.chat)
    shown = account.privacy["readreceipts"] == "all"
    if shown and sender is not None:
        sender.receipts.append(Receipt(received.id, "read", account.lid))
        notify_author(network, account, received, "read")
    kind = "read" if shown else "read-self"
    author = group.address(sender) if group and sender else None
    _notify_own(account, [received.id], kind, received.chat, author)
    network.notify()


def accept(client: Client, node: Node) -> None:
    """Handle a companion's receipt: end the pending deliveries, and send the authors receipts."""
    network, to = client.network, node.jid("to")
    _acknowledge(client, node)
    kind = node.get("type") or "delivered"
    if kind == "server-error":
        media_retry.accept(client, node)
        return
    items = node.child("list")
    ids = [node.get("id"), *(item.get("id") for item in (items.children if items else ()))]
    for message_id in ids:
        client.companion.settle("message", message_id)
    if to is not None and kind in _READ:
        _notify_own(client.account, ids, kind, to, node.jid("participant"), but=client.companion)
    author = node.jid("participant") or to
    user = network.user(author) if author else None
    if user is not None:
        user.receipts += [Receipt(message_id, kind, client.companion.lid) for message_id in ids]
    if user is not None and kind in _SHOWN:
        group = network.groups.get(to) if to else None
        for message_id in ids:
            _receipt(client.account, message_id, node.get("type"), user, group)
    if kind == "retry":
        network.log_anomaly("undecryptable", f"{node.get('id')} by {client.companion.lid}")
        if user is not None:
            _resend(network, user, client.companion, node.get("id"))
    network.notify()


def _acknowledge(client: Client, node: Node) -> None:
    if client.companion.connection is not None:
        kept = {key: node.attrs[key] for key in ("type", "participant") if key in node.attrs}
        attrs = {"class": "receipt", "id": node.get("id"), "from": node.jid("to"), **kept}
        client.companion.connection.send(Node("ack", attrs))


def _receipt(sender: User, message_id: str, kind: str, to: User, group: Group | None) -> None:
    """Send every companion of `to` a receipt for its message; no kind means delivered."""
    attrs = {
        "from": group.jid if group else sender.address,
        "participant": group.address(sender) if group else None,
        "id": message_id,
        "type": kind or None,
        "t": sender.simulation.timestamp(),
    }
    for companion in to.companions.values():
        companion.deliver(Node("receipt", attrs))


def _notify_own(
    account: Account, ids: list[str], kind: str, chat: Jid, author: Jid | None, but: Companion | None = None
) -> None:
    """Notify the other companions of an account that one of its devices has read messages."""
    for companion in account.companions.values():
        if companion is but:
            continue
        for message_id in ids:
            attrs = {
                "from": account.lid,
                "recipient": chat,
                "participant": author,
                "id": message_id,
                "type": kind,
                "t": account.network.timestamp(),
            }
            companion.deliver(Node("receipt", attrs))


def _resend(network: Network, sender: User, companion: Companion, message_id: str) -> None:
    """Encrypt a message again, in a new session, for a companion that could not decrypt it."""
    outgoing = sender.sent.get(message_id)
    if outgoing is None:
        return
    sender.begin_session(companion.lid, companion.take_bundle())
    chat = network.chat(outgoing.to, sender)
    if isinstance(chat, User):
        companion.deliver(direct.encrypted(sender, companion, chat, outgoing))
    elif chat is not None:
        group_messages.resend(sender, chat, companion, outgoing)
