"""A linked companion without a client behind it, and a link that keeps what the servers send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from whatsapp_mcp.protobufs import CompanionReg
from whatsapp_mcp.simulator import WhatsApp
from whatsapp_mcp.simulator.binary import Node, decode, encode
from whatsapp_mcp.simulator.companion import Companion, Registration
from whatsapp_mcp.simulator.connection import Connection
from whatsapp_mcp.simulator.signal.session import IdentityKeyPair
from whatsapp_mcp.simulator.signal.xeddsa import sign


@dataclass
class Link:
    """A link that keeps what is sent."""

    sent: list[Node] = field(default_factory=list[Node])

    def send(self, node: Node) -> None:
        self.sent.append(decode(encode(node)))


def bare_companion(wa: WhatsApp) -> Companion:
    """A companion of the first account that no client stands behind."""
    identity, signed = IdentityKeyPair.generate(), IdentityKeyPair.generate()
    registration = Registration(
        connection=cast("Connection", None),
        noise_public=bytes(32),
        identity=identity.public,
        registration_id=1,
        signed_prekey_id=1,
        signed_prekey=signed.public,
        signed_prekey_signature=sign(identity.private, b"\5" + signed.public),
        device_props=CompanionReg.DeviceProps(),
    )
    companion = Companion(wa.me, 1, registration)
    wa.me.companions[1] = companion
    return companion


def logged_in(wa: WhatsApp) -> tuple[Companion, Link]:
    """Such a companion, logged in over such a link."""
    companion, link = bare_companion(wa), Link()
    companion.connection = cast("Connection", link)
    companion.active = True
    return companion, link
