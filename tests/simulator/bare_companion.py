"""Linked companions without a client: a test sends and receives their stanzas."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import E2E, CompanionReg
from whatsapp_simulator import WhatsApp, login
from whatsapp_simulator.account import Client
from whatsapp_simulator.binary import SERVER, Node, decode, encode
from whatsapp_simulator.companion import Companion, Registration
from whatsapp_simulator.connection import Connection
from whatsapp_simulator.signal.session import IdentityKeyPair, Session, pad, unpad
from whatsapp_simulator.signal.xeddsa import sign

_REGISTRATION_ID = 1
_SIGNED_PREKEY_ID = 1


@dataclass
class Link:
    """A connection that records what is sent."""

    sent: list[Node] = field(default_factory=list[Node])

    def send(self, node: Node) -> None:
        self.sent.append(decode(encode(node)))


@dataclass(frozen=True)
class Keys:
    """A companion's private keys."""

    identity: IdentityKeyPair = field(default_factory=IdentityKeyPair.generate)
    signed_prekey: IdentityKeyPair = field(default_factory=IdentityKeyPair.generate)

    @classmethod
    def seeded(cls, seed: int) -> Keys:
        """Keys that depend only on the seed."""
        source = random.Random(seed).randbytes
        return cls(IdentityKeyPair.generate(source), IdentityKeyPair.generate(source))


def bare_companion(wa: WhatsApp, keys: Keys | None = None) -> Companion:
    """A companion of the first account without a client."""
    keys = keys or Keys()
    signed = keys.signed_prekey.public
    registration = Registration(
        connection=cast("Connection", None),
        noise_public=bytes(32),
        identity=keys.identity.public,
        registration_id=_REGISTRATION_ID,
        signed_prekey_id=_SIGNED_PREKEY_ID,
        signed_prekey=signed,
        signed_prekey_signature=sign(keys.identity.private, b"\5" + signed),
        device_props=CompanionReg.DeviceProps(),
    )
    companion = wa.me.new_companion(registration)
    wa.me.companions[companion.number] = companion
    return companion


def logged_in(wa: WhatsApp, keys: Keys | None = None) -> tuple[Client, Link]:
    """A companion without a client, logged in over a recording connection."""
    companion, link = bare_companion(wa, keys), Link()
    companion.connection = cast("Connection", link)
    companion.active = True
    return Client(wa.me, companion), link


class BareClient:
    """A client at the level of stanzas: sends queries, and exchanges messages with its own phone.

    Attributes:
        companion: What the servers know of it.
    """

    def __init__(self, wa: WhatsApp, keys: Keys | None = None) -> None:
        self.wa = wa
        self._keys = keys or Keys()
        self._client, self._link = logged_in(wa, self._keys)
        self.companion = self._client.companion
        self._session: Session | None = None

    def query(self, xmlns: str, kind: str, *content: Node, to: Jid = SERVER) -> Node:
        """Send a query; return its only answer."""
        self._link.sent.clear()
        attrs = {"id": "1", "xmlns": xmlns, "type": kind, "to": to}
        login.accept(self._client, Node("iq", attrs, content or None))
        (answer,) = (each for each in self._link.sent if each.tag == "iq")
        assert answer.get("id") == "1"
        return answer

    def sends(self, node: Node) -> None:
        """Send a stanza that is not a query."""
        login.accept(self._client, node)

    @property
    def sent(self) -> list[Node]:
        """All stanzas received since the last query."""
        return self._link.sent

    def got(self, tag: str) -> Iterator[Node]:
        """The stanzas of that kind received since the last query, newest first."""
        return (each for each in reversed(self._link.sent) if each.tag == tag)

    def last(self, tag: str) -> Node:
        """The newest stanza of that kind."""
        return next(self.got(tag))

    def reads(self, stanza: Node) -> E2E.Message:
        """Decrypt a message of its own phone."""
        enc = found(stanza, "enc")
        if self._session is None:
            prekeys = {_SIGNED_PREKEY_ID: self._keys.signed_prekey.private}
            self._session, plaintext = Session.accept(self._keys.identity, prekeys, {}, enc.data)
        else:
            kind = "pkmsg" if enc.get("type") == "pkmsg" else "msg"
            plaintext = self._session.decrypt(kind, enc.data)
        return E2E.Message.FromString(unpad(plaintext))

    def asks_phone(self, request: E2E.ProtocolMessage, message_id: str) -> None:
        """Send a peer message to its own phone; requires that it has decrypted one before."""
        assert self._session is not None
        plaintext = pad(E2E.Message(protocolMessage=request).SerializeToString())
        kind, ciphertext = self._session.encrypt(plaintext)
        attrs = {"to": self.wa.me.lid, "id": message_id, "type": "text", "category": "peer"}
        self.sends(Node("message", attrs, [Node("enc", {"v": 2, "type": kind}, ciphertext)]))


def found(node: Node, *path: str) -> Node:
    """The descendant along that path, which must exist."""
    child = node.child(*path)
    assert child is not None, path
    return child
