"""Receipts: sent to the author of a message and to the reader's other devices.

A receipt of type `server-error` says that the media hosts have lost a file: the phone uploads it again and
answers with a notification `mediaretry` that contains the new path. Both are encrypted with a key derived
from the file's media key.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import MmsRetry
from whatsapp_simulator import direct, group_messages
from whatsapp_simulator.account import Account, Client
from whatsapp_simulator.binary import Node
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.envelope import Receipt, Received
from whatsapp_simulator.groups import Group
from whatsapp_simulator.media import Renewed
from whatsapp_simulator.media_crypto import MediaError
from whatsapp_simulator.network import Network
from whatsapp_simulator.signal.primitives import hkdf
from whatsapp_simulator.user import User

_READ = {"read", "read-self", "played", "played-self"}
_SHOWN = {"delivered", "read", "played"}
_INFO = b"WhatsApp Media Retry Notification"
_NOT_FOUND = 2
_Notification = MmsRetry.MediaRetryNotification


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
        _renew_media(client, node)
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


def _renew_media(client: Client, receipt: Node) -> None:
    """Upload the file of a message again, if the phone has it, and send the companion the new path."""
    network, message_id = client.network, receipt.get("id")
    place = receipt.child("rmr")
    payload, iv = receipt.child("encrypt", "enc_p"), receipt.child("encrypt", "enc_iv")
    if place is None or payload is None or iv is None:
        network.log_anomaly("malformed", repr(receipt))
        return
    renewed = _renewed(client, message_id)
    if renewed is None:
        outcome = Node("error", {"code": _NOT_FOUND})
    else:
        cipher, bound = AESGCM(hkdf(renewed.media_key, _INFO, 32)), message_id.encode()
        try:
            cipher.decrypt(iv.data, payload.data, bound)
        except InvalidTag:
            network.log_anomaly("undecryptable", f"media retry for {message_id} by {client.companion.lid}")
            return
        notification = _Notification(
            stanzaID=message_id, directPath=renewed.direct_path, result=_Notification.SUCCESS
        )
        nonce = network.random(f"media retry {message_id}").randbytes(len(iv.data))
        sealed = cipher.encrypt(nonce, notification.SerializeToString(), bound)
        outcome = Node("encrypt", {}, [Node("enc_p", {}, sealed), Node("enc_iv", {}, nonce)])
    attrs = {"from": client.account.pn, "type": "mediaretry", "id": message_id, "t": network.timestamp()}
    client.companion.deliver(Node("notification", attrs, [place, outcome]))


def _renewed(client: Client, message_id: str) -> Renewed | None:
    """The uploaded file of a message; None if the phone has no such message or not its file."""
    info = client.account.history.find(message_id)
    if info is None:
        return None
    try:
        return client.network.media.renew(info.message)
    except MediaError:
        return None
