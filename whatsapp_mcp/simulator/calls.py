"""Calls, as far as a companion sees them: that somebody rings, that the call ended, that it was rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsapp_mcp.simulator.binary import Node
from whatsapp_mcp.simulator.companion import Companion

if TYPE_CHECKING:
    from whatsapp_mcp.simulator.party import Party
    from whatsapp_mcp.simulator.phone import Phone


def offer(caller: Party, to: Phone, call_id: str, *, video: bool) -> None:
    """Let the phone and its companions ring."""
    media = [Node("audio", {"enc": "opus", "rate": 16000})]
    if video:
        media.append(Node("video", {"dec": "H264", "enc": "h.264"}))
    _tell(caller, to, Node("offer", {"call-id": call_id, "call-creator": caller.address}, media))


def terminate(caller: Party, to: Phone, call_id: str, reason: str) -> None:
    """End a call; `reason` is such as `timeout`, `rejected_elsewhere` or empty."""
    attrs = {"call-id": call_id, "call-creator": caller.address, "reason": reason or None}
    _tell(caller, to, Node("terminate", attrs))


def _tell(caller: Party, to: Phone, body: Node) -> None:
    network = caller.network
    attrs = {
        "from": caller.address,
        "id": network.new_id(),
        "t": network.timestamp(),
        "platform": "android",
        "version": "2.25.1",
        "notify": caller.name,
    }
    for companion in to.companions.values():
        companion.deliver(Node("call", attrs, [body]))


def accept(companion: Companion, node: Node) -> None:
    """A companion rejects a call: the caller's phone stops ringing."""
    network, to = companion.network, node.jid("to")
    party = network.party(to) if to else None
    body = next(iter(node.children), None)
    if party is None or body is None:
        network.remark("unanswered", repr(node))
        return
    party.ended_calls[body.get("call-id")] = body.tag
    if companion.connection is not None:
        ack = {"class": "call", "id": node.get("id"), "from": to, "type": body.tag}
        companion.connection.send(Node("ack", ack))
    network.notify()
