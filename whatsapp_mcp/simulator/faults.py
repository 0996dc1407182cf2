"""The switches that make the simulated WhatsApp misbehave, one field a fault.

Every layer reads its own switches at the moment it acts, so a fault takes effect at once and ends
when the switch is put back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

import anyio

from whatsapp_mcp.simulator.binary import Node


class Gate:
    """Something that tasks pass while it is open and wait at while it is shut."""

    def __init__(self) -> None:
        self._opened = anyio.Event()
        self._opened.set()

    @property
    def is_open(self) -> bool:
        """Whether tasks pass."""
        return self._opened.is_set()

    def shut(self) -> None:
        """Make tasks wait."""
        if self._opened.is_set():
            self._opened = anyio.Event()

    def open(self) -> None:
        """Let everything through."""
        self._opened.set()

    async def passed(self) -> None:
        """Return once the gate is open."""
        while not self._opened.is_set():
            await self._opened.wait()


Harm = Literal["lose", "delay", "duplicate", "reorder", "corrupt", "withhold"]


@dataclass(slots=True)
class Disturbance:
    """What becomes of the next stanzas of one kind on their way to a client.

    Attributes:
        harm: `lose`, `delay`, `duplicate`, `reorder` (hold them, then send them in reverse), `corrupt`
            (flip a bit of each ciphertext's MAC or signature), `withhold` (leave the ciphertexts out).
        left: How many stanzas it still concerns.
        tag: Of which kind: `message`, `receipt`, `notification`, `call`.
        seconds: How long they are delayed.
        held: Stanzas that wait to be sent in reverse.
    """

    harm: Harm
    left: int
    tag: str
    seconds: float = 0.0
    held: list[Node] = field(default_factory=list[Node])

    def apply(self, node: Node) -> Sequence[tuple[float, Node]]:
        """What is sent when `node` should be, each after so many seconds."""
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
    """All switches at rest: nothing is wrong."""

    silence: Gate = field(default_factory=Gate)
    """Shut: bytes that arrive are not read and none are sent; TCP alone lives on."""
    refuse: bool = False
    """New TCP connections are reset before a byte is read."""
    proxy_status: int | None = None
    """The proxy answers CONNECT with this status."""
    swallow_connect: bool = False
    """The proxy reads CONNECT and never answers."""
    swallow_websocket: bool = False
    """TLS works, the websocket request is never answered."""
    websocket_status: int | None = None
    """The websocket request is answered with this status."""
    swallow_noise: bool = False
    """The websocket opens, the Noise handshake is never answered."""
    bad_certificate: bool = False
    """The Noise certificate chain is signed by a key that nobody trusts."""
    latency: float = 0.0
    """Seconds that everything waits before it is sent."""
    trickle: int | None = None
    """Everything is sent in pieces of so many bytes."""

    qr_refs: int = 6
    """How many QR codes a client that is not linked yet is given."""
    wrong_adv: bool = False
    """The phone's answer to a QR or pairing code carries a wrong HMAC."""
    passkey: bool = False
    """After a phone has taken a QR or pairing code, the server asks the companion for a passkey."""
    login_failure: dict[str, str] | None = None
    """Every login is answered by `<failure>` with these attributes."""
    close_delay: float = 0.1
    """Seconds between a last stanza and the close: the client drops what it has not read by then."""
    clock_skew: float = 0.0
    """Seconds that the server's clock is ahead."""

    ignore_pings: bool = False
    """Keep-alive queries are never answered."""
    ignore_queries: set[str] = field(default_factory=set[str])
    """Queries of these namespaces are never answered; `*` is all of them."""
    refuse_queries: dict[str, int] = field(default_factory=dict[str, int])
    """By namespace, the error that its queries are answered with."""
    no_acks: bool = False
    """Messages are delivered and never acknowledged."""
    cut_before_ack: int = 0
    """How many of the next messages are delivered, and the link reset instead of an acknowledgement."""
    ack_error: int | None = None
    """Messages are not delivered; their acknowledgement carries this code."""
    disturbances: list[Disturbance] = field(default_factory=list[Disturbance])
    """What becomes of the next stanzas; the first one for a kind of stanza comes first."""

    media_status: int | None = None
    """Media requests are answered with this status."""
    media_status_left: int | None = None
    """How many media requests still get that status; None is all of them."""
    media_corrupt: bool = False
    """One byte of every media download is flipped."""

    def ignores(self, namespace: str) -> bool:
        """Whether a query of that namespace is never answered."""
        return bool(self.ignore_queries & {namespace, "*"}) or (self.ignore_pings and namespace == "w:p")

    def disturb(self, node: Node) -> Sequence[tuple[float, Node]]:
        """What is sent when `node` should be, each after so many seconds."""
        for each in self.disturbances:
            if each.tag == node.tag:
                sent = each.apply(node)
                if not each.left:
                    self.disturbances.remove(each)
                return sent
        return ((0.0, node),)

    def next_media_status(self) -> int | None:
        """The status that the media request at hand is answered with, or None to serve it."""
        if self.media_status is None or self.media_status_left == 0:
            return None
        if self.media_status_left is not None:
            self.media_status_left -= 1
        return self.media_status

    def rest(self) -> None:
        """Put every switch back."""
        self.silence.open()
        for each in fields(self):
            if each.name != "silence":
                setattr(
                    self,
                    each.name,
                    each.default_factory() if callable(each.default_factory) else each.default,
                )


def _flipped(node: Node) -> Node:
    """An `enc` with another last bit: MACs and signatures stand at the end."""
    if node.tag != "enc":
        return node
    return Node(node.tag, node.attrs, node.data[:-1] + bytes([node.data[-1] ^ 1]))


def _withheld(node: Node) -> Node:
    kept = [each for each in node.children if each.tag != "enc"]
    return Node(node.tag, node.attrs, [*kept, Node("unavailable")])
