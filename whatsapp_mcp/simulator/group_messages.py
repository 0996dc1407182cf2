"""Messages with sender keys: one ciphertext for all, and the sender's key for each device that lacks it."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.simulator import direct
from whatsapp_mcp.simulator.account import Client
from whatsapp_mcp.simulator.audience import Audience, StatusFeed, author
from whatsapp_mcp.simulator.binary import Node
from whatsapp_mcp.simulator.companion import Companion
from whatsapp_mcp.simulator.envelope import Outgoing, Received, edit_attribute, stanza_type
from whatsapp_mcp.simulator.party import Party
from whatsapp_mcp.simulator.signal.session import pad, unpad
from whatsapp_mcp.simulator.signal.wire import SignalError


def post(sender: Party, group: Audience, outgoing: Outgoing) -> None:
    """Deliver a member's message to every other member and to the sender's own companions."""
    companions = [each for party in group.parties for each in party.companions.values()]
    if companions:
        key = group.keys.sender(sender.lid)
        distributions = {each.lid: _distribution(sender, group, each) for each in companions}
        ciphertext = key.encrypt(pad(outgoing.message.SerializeToString(), key.random))
        for companion in companions:
            companion.deliver(_stanza(sender, group, outgoing, distributions[companion.lid], ciphertext))
    stanza = Node("message", {"from": group.jid, "participant": sender.lid, "id": outgoing.id})
    received = Received(outgoing.id, outgoing.message, sender.lid, group.jid, outgoing.timestamp, stanza)
    for party in group.parties:
        if party is not sender:
            party.take_in(received)


def resend(sender: Party, group: Audience, companion: Companion, outgoing: Outgoing) -> None:
    """Encrypt a message anew for a companion, with the sender's key."""
    group.keys.forget(companion.lid)
    distribution = _distribution(sender, group, companion)
    key = group.keys.sender(sender.lid)
    ciphertext = key.encrypt(pad(outgoing.message.SerializeToString(), key.random))
    companion.deliver(_stanza(sender, group, outgoing, distribution, ciphertext))


def accept(client: Client, node: Node, group: Audience) -> None:
    """Give each reader what a companion has written, or the one that asked again what is meant for it."""
    direct.check_identity(client, node, group.jid)
    asked = node.jid("participant")
    if asked is not None:
        _accept_again(client, node, group, asked)
        return
    encs = dict(direct.addressed(node, group.jid)) if node.child("participants") else {}
    message = node.child("enc")
    for party in group.parties:
        _to_phone(client, group, party, node, encs.get(party.lid) or encs.get(party.pn) or [], message)
        for other in party.companions.values():
            if other is not client.companion:
                own = encs.get(other.lid) or encs.get(other.pn) or []
                other.deliver(_relayed(client, group, node, own, message))


def _accept_again(client: Client, node: Node, group: Audience, asked: Jid) -> None:
    """Take a message that was encrypted anew, with the sender's key in it, for one device alone."""
    party = client.network.party(asked)
    if party is None or party not in group.parties:
        client.network.log_anomaly("unknown recipient", str(asked))
        return
    if asked.device:
        if asked.device in party.companions:
            own = list(node.all("enc"))
            party.companions[asked.device].deliver(_relayed(client, group, node, own, None))
        return
    for enc in node.all("enc"):
        said = direct.decrypted(client, party, node, enc)
        if said is not None:
            _learn(client, group, party, said)
            _take_in(client, group, party, node, said)


def _distribution(sender: Party, group: Audience, companion: Companion) -> list[Node]:
    """The sender's key, encrypted for a companion; nothing when it has it."""
    distribution = group.keys.distribution(sender.lid, companion.lid)
    if distribution is None:
        return []
    message = E2E.Message()
    message.senderKeyDistributionMessage.groupID = str(group.jid)
    message.senderKeyDistributionMessage.axolotlSenderKeyDistributionMessage = distribution
    kind, ciphertext = sender.encrypt(companion, message.SerializeToString())
    return [Node("enc", {"v": 2, "type": kind}, ciphertext)]


def _stanza(
    sender: Party, group: Audience, outgoing: Outgoing, distribution: list[Node], ciphertext: bytes
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
    client: Client, group: Audience, party: Party, node: Node, own: list[Node], message: Node | None
) -> None:
    for enc in own:
        handed = direct.decrypted(client, party, node, enc)
        if handed is None:
            return
        _learn(client, group, party, handed)
    if message is None:
        return
    receiver = group.keys.receiver(party.lid, client.companion.lid)
    if receiver is None and isinstance(group, StatusFeed):
        return  # whoever posts decides who sees it
    try:
        if receiver is None:
            raise SignalError("no sender key")
        said = E2E.Message.FromString(unpad(receiver.decrypt(message.data)))
    except (SignalError, DecodeError) as error:
        direct.ask_again(client, party, node, str(error))
        return
    _take_in(client, group, party, node, said)


def _learn(client: Client, group: Audience, party: Party, handed: E2E.Message) -> None:
    """Keep the sender's key, if a message holds one."""
    if handed.HasField("senderKeyDistributionMessage"):
        distribution = handed.senderKeyDistributionMessage.axolotlSenderKeyDistributionMessage
        group.keys.learn(party.lid, client.companion.lid, distribution)


def _take_in(client: Client, group: Audience, party: Party, node: Node, said: E2E.Message) -> None:
    now, device = client.network.timestamp(), client.companion.number
    party.take_in(Received(node.get("id"), said, client.account.lid, group.jid, now, node, device))


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
