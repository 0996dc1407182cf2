"""The switches of the simulated WhatsApp's faults, one field for each.

Every layer reads its switches when it acts, so a fault takes effect at once and ends when the switch is
reset.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

import anyio

from whatsapp_simulator.binary import Node


class Gate:
    """A gate: tasks pass while it is open and wait while it is shut."""

    def __init__(self) -> None:
        self._opened = anyio.Event()
        self._opened.set()

    @property
    def is_open(self) -> bool:
        """True while tasks pass."""
        return self._opened.is_set()

    def shut(self) -> None:
        """Make tasks wait."""
        if self._opened.is_set():
            self._opened = anyio.Event()

    def open(self) -> None:
        """Let tasks pass."""
        self._opened.set()

    async def passed(self) -> None:
        """Return once the gate is open."""
        while not self._opened.is_set():
            await self._opened.wait()


Harm = Literal["lose", "delay", "duplicate", "reorder", "corrupt", "withhold"]


@dataclass(slots=True)
class Disturbance:
    """A fault of the next stanzas of one kind to a client.

    Attributes:
        harm: `lose`, `delay`, `duplicate`, `reorder` (hold them, then send them in reverse), `corrupt`
            (flip a bit of each ciphertext's MAC or signature), `withhold` (omit the ciphertexts).
        left: The number of stanzas that it still applies to.
        tag: Their kind: `message`, `receipt`, `notification`, `call`.
        seconds: The delay.
        held: Stanzas held to be sent in reverse order.
    """

    harm: Harm
    left: int
    tag: str
    seconds: float = 0.0
    held: list[Node] = field(default_factory=list[Node])

    def apply(self, node: Node) -> Sequence[tuple[float, Node]]:
        """The stanzas to send instead of `node`, each with its delay in seconds."""
        self.left -= 1
        match self.harm:
            case "lose":
                return ()
            case "delay":
                return ((self.seconds, node),)
            case "duplicate":
                return ((0.0, node), (0.0, node))
            case "corrupt":
                return ((0.0, Node(node.tag, node.attrs, [_flipped(each) for each in node.children])),)
            case "withhold":
                return ((0.0, _withheld(node)),)
            case "reorder":
                self.held.append(node)
                return () if self.left else [(0.0, each) for each in reversed(self.held)]


@dataclass(slots=True)
class Faults:
    """All switches; by default there are no faults."""

    silence: Gate = field(default_factory=Gate)
    """Shut: nothing is read or sent; TCP connections stay open."""
    refuse: bool = False
    """New TCP connections are reset before a byte is read."""
    proxy_status: int | None = None
    """The proxy answers CONNECT with this status."""
    swallow_connect: bool = False
    """The proxy reads CONNECT and never answers."""
    swallow_websocket: bool = False
    """The TLS handshake succeeds, the websocket request is never answered."""
    websocket_status: int | None = None
    """The websocket request is answered with this status."""
    swallow_noise: bool = False
    """The websocket opens, the Noise handshake is never answered."""
    bad_certificate: bool = False
    """The Noise certificate chain is signed by an untrusted key."""
    latency: float = 0.0
    """Seconds by which all data is delayed."""
    trickle: int | None = None
    """All data is sent in pieces of this many bytes."""

    qr_refs: int = 6
    """The number of QR codes for a client that is not linked yet."""
    wrong_adv: bool = False
    """The phone's answer to a QR or pairing code carries a wrong HMAC."""
    passkey: bool = False
    """After a phone has accepted a QR or pairing code, the server asks the companion for a passkey."""
    full: bool = False
    """Phones refuse to link a device: they have four already. WhatsApp tells the companion nothing."""
    login_failure: dict[str, str] | None = None
    """Every login is answered with `<failure>` and these attributes."""
    close_delay: float = 0.1
    """Seconds between a last stanza and the close: the client drops what it has not read until then."""
    clock_skew: float = 0.0
    """Seconds that the server's clock is ahead."""

    ignore_pings: bool = False
    """Keep-alive queries are never answered."""
    ignore_queries: set[str] = field(default_factory=set[str])
    """Queries of these namespaces are never answered; `*` means all namespaces."""
    refuse_queries: dict[str, int] = field(default_factory=dict[str, int])
    """The error with which queries are answered, by namespace."""
    no_acks: bool = False
    """Messages are delivered but never acknowledged."""
    cut_before_ack: int = 0
    """Number of next messages for which the connection is reset instead of an acknowledgement; they are
    delivered."""
    ack_error: int | None = None
    """Messages are not delivered; their acknowledgement carries this code."""
    disturbances: list[Disturbance] = field(default_factory=list[Disturbance])
    """Faults of the next stanzas; of those with the same tag, the first applies first."""

    media_status: int | None = None
    """Media requests are answered with this status."""
    media_status_left: int | None = None
    """The number of media requests that still get that status; None means all."""
    media_corrupt: bool = False
    """One byte of every media download is flipped."""

    def ignores(self, namespace: str) -> bool:
        """Return whether queries of that namespace are never answered."""
        return bool(self.ignore_queries & {namespace, "*"}) or (self.ignore_pings and namespace == "w:p")

    def disturb(self, node: Node) -> Sequence[tuple[float, Node]]:
        """The stanzas to send instead of `node`, each with its delay in seconds."""
        for each in self.disturbances:
            if each.tag == node.tag:
                sent = each.apply(node)
                if not each.left:
                    self.disturbances.remove(each)
                return sent
        return ((0.0, node),)

    def next_media_status(self) -> int | None:
        """The status for the current media request, or None to serve it."""
        if self.media_status is None or self.media_status_left == 0:
            return None
        if self.media_status_left is not None:
            self.media_status_left -= 1
        return self.media_status

    def rest(self) -> None:
        """Reset every switch."""
        self.silence.open()
        for each in fields(self):
            if each.name != "silence":
                setattr(
                    self,
                    each.name,
                    each.default_factory() if callable(each.default_factory) else each.default,
                )


def _flipped(node: Node) -> Node:
    """An `enc` with its last bit flipped, which is part of the MAC or signature."""
    if node.tag != "enc":
        return node
    return Node(node.tag, node.attrs, node.data[:-1] + bytes([node.data[-1] ^ 1]))


def _withheld(node: Node) -> Node:
    kept = [each for each in node.children if each.tag != "enc"]
    return Node(node.tag, node.attrs, [*kept, Node("unavailable")])
