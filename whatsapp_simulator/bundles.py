"""Published keys in the form of stanzas."""

from __future__ import annotations

from whatsapp_simulator.binary import Node
from whatsapp_simulator.signal.session import PreKeyBundle


def registration(bundle: PreKeyBundle) -> Node:
    """The registration id, four bytes."""
    return Node("registration", {}, bundle.registration_id.to_bytes(4, "big"))


def keys(bundle: PreKeyBundle) -> list[Node]:
    """Identity, signed prekey and, if there is one, a one-time prekey."""
    signed = [
        Node("id", {}, bundle.signed_prekey_id.to_bytes(3, "big")),
        Node("value", {}, bundle.signed_prekey),
        Node("signature", {}, bundle.signed_prekey_signature),
    ]
    nodes = [
        Node("type", {}, b"\x05"),
        Node("identity", {}, bundle.identity),
        Node("skey", {}, signed),
    ]
    if bundle.prekey_id is not None and bundle.prekey is not None:
        one_time = [Node("id", {}, bundle.prekey_id.to_bytes(3, "big")), Node("value", {}, bundle.prekey)]
        nodes.append(Node("key", {}, one_time))
    return nodes
