"""Direct messages: one ciphertext for each device of the recipient, and a copy for each of the sender's."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator import adv
from whatsapp_simulator.account import Client
from whatsapp_simulator.binary import Node
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.envelope import Outgoing, Received, edit_attribute, stanza_type
from whatsapp_simulator.queries import published_keys, registration_id
from whatsapp_simulator.signal.wire import SignalError
from whatsapp_simulator.user import User


def post(sender: User, to: User, outgoing: Outgoing) -> None:
    """Deliver to the phone and the companions of `to`, and to the sender's own companions."""
    for user in dict.fromkeys((to, sender)):
        for companion in list(user.companions.values()):
            companion.deliver(encrypted(sender, companion, to, outgoing))
    stanza = Node("message", {"from": sender.lid, "id": outgoing.id})
    to.take_in(Received(outgoing.id, outgoing.message, sender.lid, sender.lid, outgoing.timestamp, stanza))


def encrypted(sender: User, companion: Companion, to: User, outgoing: Outgoing) -> Node:
    """The stanza for one companion."""
    own = sender.companions.get(companion.number) is companion
    message = outgoing.message
    if own:
        # A copy names its chat, because its sender is the account itself.
        copy = E2E.DeviceSentMessage(destinationJID=str(to.jid), message=message)
        message = E2E.Message(deviceSentMessage=copy)
    kind, ciphertext = sender.encrypt(companion, message.SerializeToString())
    stanza, media = stanza_type(outgoing.message)
    by_pn = sender.addressing == "pn" and not own
    attrs = {
        "from": sender.lid if own else sender.address,
        "sender_lid": sender.lid if by_pn else None,
        "sender_pn": None if own or by_pn else sender.pn,
        "recipient": to.jid if own else None,
        "peer_recipient_pn": to.pn if own else None,
        "id": outgoing.id,
        "t": outgoing.timestamp,
        "type": stanza,
        "edit": edit_attribute(outgoing.message),
        "notify": sender.name,
        "verified_name": sender.business.serial if sender.business else None,
    }
    enc = Node("enc", {"v": 2, "type": kind, "mediatype": media}, ciphertext)
    name = sender.verified_name
    return Node("message", attrs, [name, enc] if name else [enc])


def accept(client: Client, node: Node, to: Jid) -> None:
    """Deliver to each device what a companion encrypted for it."""
    check_identity(client, node, to)
    # In the chat with oneself a client lists the phone twice; of the two sessions that it may start for that,
    # it keeps the second.
    for device, encs in dict(addressed(node, to)).items():
        user = client.network.user(device)
        if user is None:
            client.network.log_anomaly("unknown recipient", str(device))
        elif device.device == 0:
            for enc in encs:
                _to_phone(client, user, node, to, enc)
        elif device.device in user.companions:
            user.companions[device.device].deliver(_relayed(client, node, to, encs, user))


def addressed(node: Node, to: Jid) -> list[tuple[Jid, list[Node]]]:
    """The devices in a message stanza, each with its ciphertexts."""
    participants = node.child("participants")
    if participants is None:
        return [(to, list(node.all("enc")))]
    return [(jid, list(each.all("enc"))) for each in participants.all("to") if (jid := each.jid("jid"))]


def check_identity(client: Client, node: Node, to: Jid) -> None:
    """Log a message that starts a session without proof that its sender belongs to the account."""
    encs = [enc for _, each in addressed(node, to) for enc in each]
    if not any(enc.get("type") == "pkmsg" for enc in encs):
        return
    identity, phone = node.child("device-identity"), client.account
    if identity is None or not adv.verify_companion_signature(
        identity.data, client.companion.identity, phone.identity.public
    ):
        client.network.log_anomaly("malformed", f"no valid device-identity in {node.get('id')}")


def decrypted(client: Client, user: User, node: Node, enc: Node) -> E2E.Message | None:
    """Decrypt a companion's message for a phone; None if that fails, and the phone requests it again."""
    try:
        return E2E.Message.FromString(user.decrypt(client.companion.lid, enc.get("type"), enc.data))
    except (SignalError, DecodeError) as error:
        ask_again(client, user, node, str(error))
        return None


def ask_again(client: Client, user: User, node: Node, why: str) -> None:
    """Log that a phone cannot decrypt a message, and send the companion new keys for another attempt."""
    network, message_id = client.network, node.get("id")
    network.log_anomaly("undecryptable", f"{message_id} from {client.companion.lid} at {user.lid}: {why}")
    to = node.jid("to")
    group = network.groups.get(to) if to else None
    bundle = user.bundle()
    retry = {"count": 1, "id": message_id, "t": node.get("t") or network.timestamp(), "v": 1}
    content = [
        Node("retry", retry),
        registration_id(bundle),
        Node("keys", {}, published_keys(bundle)),
    ]
    attrs = {
        "from": group.jid if group else user.lid,
        "participant": group.address(user) if group else None,
        "id": message_id,
        "type": "retry",
        "t": network.timestamp(),
    }
    client.companion.deliver(Node("receipt", attrs, content))


def _to_phone(client: Client, user: User, node: Node, to: Jid, enc: Node) -> None:
    message = decrypted(client, user, node, enc)
    if message is None:
        return
    if message.HasField("deviceSentMessage"):
        message = message.deviceSentMessage.message
    sender = client.account.lid
    chat = to if user is client.account else sender
    now, device = client.network.timestamp(), client.companion.number
    user.take_in(Received(node.get("id"), message, sender, chat, now, node, device))


def _relayed(client: Client, node: Node, to: Jid, encs: list[Node], user: User) -> Node:
    own = user is client.account
    addressee = client.network.user(to)
    attrs = {
        "from": client.companion.lid,
        "recipient": to if own else None,
        "peer_recipient_pn": addressee.pn if own and addressee else None,
        "sender_pn": None if own else client.companion.pn,
        "id": node.get("id"),
        "t": client.network.timestamp(),
        "type": node.get("type"),
        "edit": node.attrs.get("edit"),
        "notify": client.account.name,
    }
    identity = node.child("device-identity")
    return Node("message", attrs, [*encs, *([identity] if identity else [])])
