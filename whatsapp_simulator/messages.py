"""The delivery of messages: from users to companions, and from a companion to all recipients."""

from __future__ import annotations

import anyio.lowlevel

from whatsapp_mcp.jid import BROADCAST_SERVER, CHANNEL_SERVER, GROUP_SERVER, Jid
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator import channel_queries, direct, group_messages
from whatsapp_simulator.account import Client
from whatsapp_simulator.audience import StatusFeed
from whatsapp_simulator.binary import Node
from whatsapp_simulator.envelope import Outgoing
from whatsapp_simulator.groups import Group
from whatsapp_simulator.user import User


async def post(
    sender: User,
    message: E2E.Message,
    to: User | Group | StatusFeed,
    *,
    id: str | None = None,
    timestamp: int | None = None,
) -> str:
    """Send a message to all recipients and to the sender's own companions; return its id."""
    simulation = sender.simulation
    outgoing = Outgoing(
        id or simulation.new_id(), message, to.jid, simulation.timestamp() if timestamp is None else timestamp
    )
    sender.sent[outgoing.id] = outgoing
    if isinstance(to, Group | StatusFeed):
        group_messages.post(sender, to, outgoing)
    else:
        direct.post(sender, to, outgoing)
    await anyio.lowlevel.checkpoint()
    return outgoing.id


def accept(client: Client, node: Node) -> None:
    """Deliver a companion's message once to each device that it is encrypted for, and acknowledge it."""
    network = client.network
    faults = network.faults
    to = node.jid("to")
    if to is None:
        network.log_anomaly("malformed", repr(node))
        return
    if faults.ack_error is None and client.companion.first_time(_try(node)):
        if to.server in (GROUP_SERVER, BROADCAST_SERVER):
            _accept_for_many(client, node, to)
        elif to.server == CHANNEL_SERVER:
            channel_queries.accept(client, node, to)
        else:
            direct.accept(client, node, to)
    if client.companion.connection is None or faults.no_acks:
        return
    if faults.cut_before_ack:
        faults.cut_before_ack -= 1
        client.companion.connection.abort()
    else:
        attrs = {"class": "message", "id": node.get("id"), "from": to, "t": network.timestamp()}
        client.companion.connection.send(Node("ack", {**attrs, "error": faults.ack_error}))


def _try(node: Node) -> str:
    """A message id and its attempt: a client counts up each time it encrypts the message again."""
    enc = node.child("enc")
    return f"{node.get('id')} {enc.get('count') if enc else ''}"


def _accept_for_many(client: Client, node: Node, to: Jid) -> None:
    readers = client.network.chat(to, client.account)
    if isinstance(readers, Group) and readers.is_community:
        client.network.log_anomaly(
            "community", f"{node.get('id')} to {to}: its posts go to its announcement group"
        )
    elif isinstance(readers, Group | StatusFeed) and client.account in readers.users:
        group_messages.accept(client, node, readers)
    else:
        client.network.log_anomaly("unknown recipient", str(to))
