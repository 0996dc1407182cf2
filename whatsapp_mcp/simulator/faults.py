"""The switches that make the simulated WhatsApp misbehave, one field a fault.

Every layer reads its own switches at the moment it acts, so a fault takes effect at once and ends
when the switch is put back.
"""

from dataclasses import dataclass, field, fields

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
    ignore_pings: bool = False
    """Keep-alive queries are never answered."""
    no_acks: bool = False
    """Messages are delivered and never acknowledged."""
    ack_error: int | None = None
    """Messages are not delivered; their acknowledgement carries this code."""
    ignore_queries: set[str] = field(default_factory=set[str])
    """Queries of these namespaces are never answered; `*` is all of them."""
    login_failure: dict[str, str] | None = None
    """Every login is answered by `<failure>` with these attributes."""
    close_delay: float = 0.1
    """Seconds between a last stanza and the close: the client drops what it has not read by then."""
    clock_skew: float = 0.0
    """Seconds that the server's clock is ahead."""
    media_status: int | None = None
    """Media requests are answered with this status."""
    media_status_left: int | None = None
    """How many media requests still get that status; None is all of them."""
    media_corrupt: bool = False
    """One byte of every media download is flipped."""

    lose: int = 0
    """How many of the next messages never reach the link; they come with the next login."""
    duplicate: int = 0
    """How many of the next messages are sent twice."""
    corrupt: int = 0
    """How many of the next messages have a flipped bit in each ciphertext."""
    reorder: int = 0
    """How many of the next messages are held, to be sent in reverse once they are all there."""
    latency: float = 0.0
    """Seconds that everything waits before it is sent."""
    trickle: int | None = None
    """Everything is sent in pieces of so many bytes."""
    held: list[Node] = field(default_factory=list[Node])
    """Messages that wait to be sent in reverse."""

    def disturb(self, node: Node) -> list[Node]:
        """What is sent when `node` should be."""
        if node.tag != "message":
            return [node]
        if self.lose:
            self.lose -= 1
            return []
        if self.corrupt:
            self.corrupt -= 1
            return [Node(node.tag, node.attrs, [_flipped(each) for each in node.children])]
        if self.duplicate:
            self.duplicate -= 1
            return [node, node]
        if not self.reorder:
            return [node]
        self.held.append(node)
        if len(self.held) < self.reorder:
            return []
        released, self.held, self.reorder = self.held[::-1], [], 0
        return released

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
    if node.tag != "enc":
        return node
    middle = len(node.data) // 2
    data = node.data[:middle] + bytes([node.data[middle] ^ 1]) + node.data[middle + 1 :]
    return Node(node.tag, node.attrs, data)
