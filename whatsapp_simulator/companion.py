"""The server side of a linked device."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any, Final

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import CompanionReg
from whatsapp_simulator.binary import SERVER, Node
from whatsapp_simulator.connection import Connection
from whatsapp_simulator.signal.session import PreKeyBundle
from whatsapp_simulator.simulation import Simulation

_REMEMBERED_SENDS = 10_000
_FEW_PREKEYS = 4
IN_FLIGHT: Final = 200
"""Stanzas that may be unacknowledged on one connection; later ones wait here, in order.

WhatsApp Web takes what has waited for it in batches of 200 (`<offline_batch count="200"/>`, in its module
`WAWebOfflineHandler`), and what is new after that. How much WhatsApp's servers send to a client that asks for
no batches, such as whatsmeow, is not published. Without a limit a long absence would overflow whatsmeow's
queue of 2,048, behind which the order of stanzas is lost (`Client.handleFrame`).
"""


@dataclass(slots=True)
class Registration:
    """A client that is not linked yet, with the keys from its payload (32 bytes each)."""

    connection: Connection
    noise_public: bytes
    identity: bytes
    registration_id: int
    signed_prekey_id: int
    signed_prekey: bytes
    signed_prekey_signature: bytes
    device_props: Any

    @classmethod
    def of(cls, connection: Connection) -> Registration:
        """Read the client's payload."""
        data = connection.client_payload.devicePairingData
        return cls(
            connection=connection,
            noise_public=connection.client_static,
            identity=data.eIdent,
            registration_id=int.from_bytes(data.eRegid, "big"),
            signed_prekey_id=int.from_bytes(data.eSkeyID, "big"),
            signed_prekey=data.eSkeyVal,
            signed_prekey_signature=data.eSkeySig,
            device_props=CompanionReg.DeviceProps.FromString(data.deviceProps),
        )


@dataclass(slots=True)
class CodeRequest:
    """A companion that waits for a person to type its pairing code.

    Attributes:
        wrapped_ephemeral: The companion's key, encrypted with a key derived from the code.
        finish: The `companion_finish` that the companion sends after the phone's answer.
    """

    registration: Registration
    ref: bytes
    wrapped_ephemeral: bytes
    finish: Node | None = None


class Companion:
    """A linked device: the servers' state for it, which outlives the client process and its connections.

    Attributes:
        number: Its device number, from 1, not reused.
        pn: Its address by the account's number.
        lid: Its address by the account's LID.
        prekeys: Its unused one-time prekeys, public, by id.
        connection: Its current connection, or None.
        active: Whether stanzas are delivered to it: it is logged in and has sent `active`.
        available: Whether its last presence was "available".
        subscriptions: The users whose presence it subscribed to, by LID, with the address that it used.
    """

    def __init__(self, simulation: Simulation, pn: Jid, lid: Jid, registration: Registration) -> None:
        self._simulation = simulation
        self.number = lid.device
        self.pn = pn
        self.lid = lid
        self.noise_public = registration.noise_public
        self.identity = registration.identity
        self.registration_id = registration.registration_id
        self.signed_prekey_id = registration.signed_prekey_id
        self.signed_prekey = registration.signed_prekey
        self.signed_prekey_signature = registration.signed_prekey_signature
        self.device_props = registration.device_props
        self.prekeys: dict[int, bytes] = {}
        self.connection: Connection | None = None
        self.active = False
        self.available = False
        self.subscriptions: dict[Jid, Jid] = {}
        self.logins = 0
        self._pending: dict[tuple[str, str, str], Node] = {}
        self._unsent: deque[Node] = deque()
        self._in_flight: set[tuple[str, str, str]] = set()
        self._handled: dict[str, None] = {}

    @property
    def pending(self) -> list[Node]:
        """Stanzas in order that are not acknowledged yet, or wait for the next login."""
        return list(self._pending.values())

    def bundle(self) -> PreKeyBundle:
        """Return the published keys without a one-time prekey."""
        return PreKeyBundle(
            registration_id=self.registration_id,
            identity=self.identity,
            signed_prekey_id=self.signed_prekey_id,
            signed_prekey=self.signed_prekey,
            signed_prekey_signature=self.signed_prekey_signature,
        )

    def take_bundle(self) -> PreKeyBundle:
        """Return the published keys, with a one-time prekey if one is left, which is used up."""
        number = next(iter(self.prekeys), None)
        if number is None:
            return self.bundle()
        prekey = self.prekeys.pop(number)  # each one-time prekey is handed out once
        if len(self.prekeys) == _FEW_PREKEYS:
            self._ask_for_prekeys()
        return replace(self.bundle(), prekey_id=number, prekey=prekey)

    def _ask_for_prekeys(self) -> None:
        simulation = self._simulation
        attrs = {"from": SERVER, "type": "encrypt", "id": simulation.new_id(), "t": simulation.timestamp()}
        self.deliver(Node("notification", attrs, [Node("count", {"value": len(self.prekeys)})]))

    def deliver(self, node: Node) -> None:
        """Send a stanza that the client must acknowledge; until then it is sent again at each login.

        It waits behind earlier ones while `IN_FLIGHT` are unacknowledged.
        """
        self._pending[_key(node)] = node
        if self.active and self.connection is not None:
            for seconds, each in self._simulation.faults.disturb(node):
                if seconds:
                    self._simulation.later(seconds, self.pass_on, each)
                else:
                    self._unsent.append(each)
            self._send()

    def _send(self) -> None:
        """Send what the limit allows."""
        while (
            self.active and self.connection is not None and self._unsent and len(self._in_flight) < IN_FLIGHT
        ):
            node = self._unsent.popleft()
            if node.tag != "ib":  # it is not acknowledged
                self._in_flight.add(_key(node))
            self.connection.send(node)

    def pass_on(self, node: Node) -> None:
        """Send a stanza if the client is connected; it is neither kept nor acknowledged."""
        if self.active and self.connection is not None:
            self.connection.send(node)

    def settle(self, tag: str, id: str, kind: str = "") -> None:
        """Handle the acknowledgement of a stanza."""
        self._pending.pop((tag, id, kind), None)
        self._in_flight.discard((tag, id, kind))
        self._send()
        self._simulation.notify()

    def activate(self) -> None:
        """Deliver pending stanzas as offline messages, then the end of these, then later stanzas."""
        assert self.connection is not None
        if self.active:
            return
        self.active = True
        self.logins += 1
        pending = self.pending
        counts = {
            tag: sum(node.tag == tag for node in pending) for tag in ("message", "receipt", "notification")
        }
        preview = Node("offline_preview", {"count": len(pending), "appdata": 0, **counts})
        self.connection.send(Node("ib", {"from": SERVER}, [preview]))
        self._in_flight.clear()
        self._unsent = deque(node.with_attrs(offline=0) for node in pending)
        self._unsent.append(Node("ib", {"from": SERVER}, [Node("offline", {"count": len(pending)})]))
        self._send()
        self._simulation.notify()

    def disconnected(self) -> None:
        """Handle the end of the connection; later stanzas wait for the next login."""
        self.connection = None
        self.active = self.available = False
        self.subscriptions.clear()
        self._simulation.notify()

    def first_time(self, message_id: str) -> bool:
        """Record a message id; return whether this is the client's first stanza with it.

        A client that reconnects before it got an acknowledgement sends the message again.
        """
        if message_id in self._handled:
            return False
        self._handled[message_id] = None
        while len(self._handled) > _REMEMBERED_SENDS:
            del self._handled[next(iter(self._handled))]
        return True


def _key(node: Node) -> tuple[str, str, str]:
    # Several receipts of one message share its id and differ in type.
    kind = node.get("type") if node.tag in ("receipt", "notification") else ""
    return node.tag, node.get("id"), kind
