"""Peer messages: what a phone and its own companions tell each other, outside every chat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.simulator.binary import Node

if TYPE_CHECKING:
    from whatsapp_mcp.simulator.companion import Companion


def send(companion: Companion, content: Any) -> str:
    """Send an `E2E.ProtocolMessage` from the phone to one of its companions; the message's id."""
    phone, network = companion.phone, companion.network
    message_id = network.new_id()
    kind, ciphertext = phone.encrypt(companion, E2E.Message(protocolMessage=content).SerializeToString())
    attrs = {
        "from": phone.pn,
        "category": "peer",
        "id": message_id,
        "t": network.timestamp(),
        "type": "text",
    }
    companion.deliver(Node("message", attrs, [Node("enc", {"v": 2, "type": kind}, ciphertext)]))
    return message_id
