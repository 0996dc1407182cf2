"""Linking a companion: the QR code it shows, the phone's answer, the first login's refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whatsapp_mcp.simulator import adv
from whatsapp_mcp.simulator.adv import LinkingError
from whatsapp_mcp.simulator.binary import SERVER, Node
from whatsapp_mcp.simulator.companion import Companion, Registration
from whatsapp_mcp.simulator.connection import Connection
from whatsapp_mcp.simulator.network import Network

if TYPE_CHECKING:
    from whatsapp_mcp.simulator.phone import Phone

_REFS = 6
_RESTART = Node("stream:error", {"code": "515"})


@dataclass(slots=True)
class CodeRequest:
    """A companion that waits for a person to type its pairing code."""

    registration: Registration
    wrapped_ephemeral: bytes
    ref: str


async def serve(network: Network, connection: Connection) -> None:
    """Offer an unlinked client its refs, until the link ends."""
    registration = Registration.of(connection)
    source = network.random(f"refs {registration.identity.hex()}")
    refs = [f"2@{source.randbytes(24).hex()}" for _ in range(_REFS)]
    network.registrations.update(dict.fromkeys(refs, registration))
    offer = Node("pair-device", {}, [Node("ref", {}, ref) for ref in refs])
    connection.send(Node("iq", {"from": SERVER, "type": "set", "xmlns": "md", "id": "pair"}, [offer]))
    network.notify()

    async def handle(node: Node) -> None:
        await _unlinked_stanza(network, registration, node)

    try:
        await connection.serve(handle)
    finally:
        for ref in refs:
            del network.registrations[ref]


async def _unlinked_stanza(network: Network, registration: Registration, node: Node) -> None:
    if node.tag != "iq":
        return
    if node.get("type") == "get":
        registration.connection.send(Node("iq", {"from": SERVER, "type": "result", "id": node.get("id")}))


async def scan(phone: Phone, qr_text: str) -> Companion:
    """Link the companion that shows `qr_text` to `phone`.

    Raises:
        LinkingError: The code is not shown now, is unreadable, or the companion refused.
    """
    code = adv.parse_qr(qr_text)
    registration = phone.network.registrations.get(code.ref)
    if registration is None:
        raise LinkingError("no companion shows this code (any more)")
    if (registration.noise_public, registration.identity) != (code.noise_public, code.identity_public):
        raise LinkingError("the code names other keys than the companion does")
    return await link(phone, registration, code.adv_secret)


async def link(phone: Phone, registration: Registration, adv_secret: bytes) -> Companion:
    """Vouch for a companion and let it log in.

    Raises:
        LinkingError: The companion refused.
    """
    network, connection = phone.network, registration.connection
    phone.last_companion += 1
    companion = Companion(phone, phone.last_companion, registration)
    identity = adv.sign_companion(
        phone.identity,
        registration.identity,
        adv_secret,
        raw_id=phone.raw_id,
        timestamp=network.timestamp(),
        key_index=companion.number,
    )
    success = Node(
        "pair-success",
        {},
        [
            Node("device-identity", {}, identity),
            Node("device", {"jid": companion.pn, "lid": companion.lid}),
            Node("platform", {"name": "android"}),
        ],
    )
    answer = await connection.query("set", [success])
    signed = answer.child("pair-device-sign", "device-identity")
    if answer.get("type") != "result" or signed is None:
        raise LinkingError(f"the companion refused: {answer!r}")
    if not adv.verify_companion_signature(signed.data, registration.identity, phone.identity.public):
        raise LinkingError("the companion's own signature is wrong")
    phone.companions[companion.number] = companion
    connection.send(_RESTART)
    network.notify()
    return companion
