"""Messages with sender keys: one ciphertext for all, and the sender key for each device that lacks it."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator import direct
from whatsapp_simulator.account import Client
from whatsapp_simulator.audience import Audience, StatusFeed, author
from whatsapp_simulator.binary import Node
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.envelope import Outgoing, Received, edit_attribute, stanza_type
from whatsapp_simulator.signal.session import pad, unpad
from whatsapp_simulator.signal.wire import SignalError
from whatsapp_simulator.user import User


def post(sender: User, group: Audience, outgoing: Outgoing) -> None:
    """Deliver a member's message to every other member and to the sender's own companions."""
    companions = [each for user in group.users for each in user.companions.values()]
    if companions:
        key = group.keys.sender(sender.lid)
        distributions = {each.lid: _distribution(sender, group, each) for each in companions}
        ciphertext = key.encrypt(pad(outgoing.message.SerializeToString(), key.random))
        for companion in companions:
            companion.deliver(_stanza(sender, group, outgoing, distributions[companion.lid], ciphertext))
    stanza = Node("message", {"from": group.jid, "participant": sender.lid, "id": outgoing.id})
    received = Received(outgoing.id, outgoing.message, sender.lid, group.jid, outgoing.timestamp, stanza)
    for user in group.users:
        if user is not sender:
            user.take_in(received)


def resend(sender: User, group: Audience, companion: Companion, outgoing: Outgoing) -> None:
    """Encrypt a message again for a companion, together with the sender key."""
    group.keys.forget(companion.lid)
    distribution = _distribution(sender, group, companion)
    key = group.keys.sender(sender.lid)
    ciphertext = key.encrypt(pad(outgoing.message.SerializeToString(), key.random))
    companion.deliver(_stanza(sender, group, outgoing, distribution, ciphertext))


def accept(client: Client, node: Node, group: Audience) -> None:
    """Deliver a companion's message to each reader, or only to the one that requested it again."""
    direct.check_identity(client, node, group.jid)
    asked = node.jid("participant")
    if asked is not None:
        _accept_again(client, node, group, asked)
        return
    encs = dict(direct.addressed(node, group.jid)) if node.child("participants") else {}
    message = node.child("enc")
    for user in group.users:
        _to_phone(client, group, user, node, encs.get(user.lid) or encs.get(user.pn) or [], message)
        for other in user.companions.values():
            if other is not client.companion:
                own = encs.get(other.lid) or encs.get(other.pn) or []
                other.deliver(_relayed(client, group, node, own, message))


def _accept_again(client: Client, node: Node, group: Audience, asked: Jid) -> None:
    """Handle a message that was encrypted again for one device, with the sender key in it."""
    user = client.network.user(asked)
    if user is None or user not in group.users:
        client.network.log_anomaly("unknown recipient", str(asked))
        return
    if asked.device:
        if asked.device in user.companions:
            own = list(node.all("enc"))
            user.companions[asked.device].deliver(_relayed(client, group, node, own, None))
        return
    for enc in node.all("enc"):
        said = direct.decrypted(client, user, node, enc)
        if said is not None:
            _learn(client, group, user, said)
            _take_in(client, group, user, node, said)


def _distribution(sender: User, group: Audience, companion: Companion) -> list[Node]:
    """The sender key, encrypted for a companion; nothing if the companion has it."""
    distribution = group.keys.distribution(sender.lid, companion.lid)
    if distribution is None:
        return []
    message = E2E.Message()
    message.senderKeyDistributionMessage.groupID = str(group.jid)
    message.senderKeyDistributionMessage.axolotlSenderKeyDistributionMessage = distribution
    kind, ciphertext = sender.encrypt(companion, message.SerializeToString())
    return [Node("enc", {"v": 2, "type": kind}, ciphertext)]


def _stanza(
    sender: User, group: Audience, outgoing: Outgoing, distribution: list[Node], ciphertext: bytes
) -> Node:
    kind, media = stanza_type(outgoing.message)
    attrs = {
        "from": group.jid,
        **author(group, sender),
        "id": outgoing.id,
        "t": outgoing.timestamp,
        "type": kind,
        "edit": edit_attribute(outgoing.message),
        "notify": sender.name,
        "verified_name": sender.business.serial if sender.business else None,
    }
    enc = Node("enc", {"v": 2, "type": "skmsg", "mediatype": media}, ciphertext)
    name = sender.verified_name
    return Node("message", attrs, [*([name] if name else []), *distribution, enc])


def _to_phone(
    client: Client, group: Audience, user: User, node: Node, own: list[Node], message: Node | None
) -> None:
    for enc in own:
        handed = direct.decrypted(client, user, node, enc)
        if handed is None:
            return
        _learn(client, group, user, handed)
    if message is None:
        return
    receiver = group.keys.receiver(user.lid, client.companion.lid)
    if receiver is None and isinstance(group, StatusFeed):
        return  # the author decides who sees a status
    try:
        if receiver is None:
            raise SignalError("no sender key")
        said = E2E.Message.FromString(unpad(receiver.decrypt(message.data)))
    except (SignalError, DecodeError) as error:
        direct.ask_again(client, user, node, str(error))
        return
    _take_in(client, group, user, node, said)


def _learn(client: Client, group: Audience, user: User, handed: E2E.Message) -> None:
    """Store the sender key, if a message contains one."""
    if handed.HasField("senderKeyDistributionMessage"):
        distribution = handed.senderKeyDistributionMessage.axolotlSenderKeyDistributionMessage
        group.keys.learn(user.lid, client.companion.lid, distribution)


def _take_in(client: Client, group: Audience, user: User, node: Node, said: E2E.Message) -> None:
    now, device = client.network.timestamp(), client.companion.number
    user.take_in(Received(node.get("id"), said, client.account.lid, group.jid, now, node, device))


def _relayed(client: Client, group: Audience, node: Node, own: list[Node], message: Node | None) -> Node:
    attrs = {
        "from": group.jid,
        **author(group, client.account, client.companion.number),
        "id": node.get("id"),
        "t": client.network.timestamp(),
        "type": node.get("type"),
        "edit": node.attrs.get("edit"),
        "notify": client.account.name,
    }
    identity = node.child("device-identity")
    extra = [each for each in (message, identity) if each is not None]
    return Node("message", attrs, [*own, *extra])
