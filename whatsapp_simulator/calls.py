"""Calls, as far as a companion sees them: the offer, the end, the rejection."""

from __future__ import annotations

from whatsapp_simulator.account import Client
from whatsapp_simulator.binary import Node
from whatsapp_simulator.user import User


def offer(caller: User, to: User, call_id: str, *, video: bool) -> None:
    """Ring the phone and its companions."""
    media = [Node("audio", {"enc": "opus", "rate": 16000})]
    if video:
        media.append(Node("video", {"dec": "H264", "enc": "h.264"}))
    _notify(caller, to, Node("offer", {"call-id": call_id, "call-creator": caller.address}, media))


def terminate(caller: User, to: User, call_id: str, reason: str) -> None:
    """End a call; `reason` is for example `timeout` or `rejected_elsewhere`, or empty."""
    attrs = {"call-id": call_id, "call-creator": caller.address, "reason": reason or None}
    _notify(caller, to, Node("terminate", attrs))


def _notify(caller: User, to: User, body: Node) -> None:
    simulation = caller.simulation
    attrs = {
        "from": caller.address,
        "id": simulation.new_id(),
        "t": simulation.timestamp(),
        "platform": "android",
        "version": "2.25.1",
        "notify": caller.name,
    }
    for companion in to.companions.values():
        companion.deliver(Node("call", attrs, [body]))


def accept(client: Client, node: Node) -> None:
    """Handle a companion's rejection of a call: the caller's phone stops ringing."""
    network, to = client.network, node.jid("to")
    user = network.user(to) if to else None
    body = next(iter(node.children), None)
    if user is None or body is None:
        network.log_anomaly("unanswered", repr(node))
        return
    user.ended_calls[body.get("call-id")] = body.tag
    if client.companion.connection is not None:
        ack = {"class": "call", "id": node.get("id"), "from": to, "type": body.tag}
        client.companion.connection.send(Node("ack", ack))
    network.notify()
