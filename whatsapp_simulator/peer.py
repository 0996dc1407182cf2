"""Peer messages: messages between a phone and its own companions, outside every chat."""

from __future__ import annotations

from typing import Any

from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator.binary import Node
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.user import User


def send(phone: User, companion: Companion, content: Any) -> str:
    """Send an `E2E.ProtocolMessage` from the phone to one of its companions; return the message id."""
    simulation = phone.simulation
    message_id = simulation.new_id()
    kind, ciphertext = phone.encrypt(companion, E2E.Message(protocolMessage=content).SerializeToString())
    attrs = {
        "from": phone.pn,
        "category": "peer",
        "id": message_id,
        "t": simulation.timestamp(),
        "type": "text",
    }
    companion.deliver(Node("message", attrs, [Node("enc", {"v": 2, "type": kind}, ciphertext)]))
    return message_id
