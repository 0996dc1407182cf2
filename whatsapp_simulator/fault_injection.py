"""Every fault as one call, which sets the switches of `faults` or acts on connections and clients.

Lasting faults end with `recover`. Faults in connecting take effect when a client connects next; `cut` makes
it reconnect.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import anyio

from whatsapp_simulator import devices
from whatsapp_simulator.binary import SERVER, Node
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.connection import Connection
from whatsapp_simulator.faults import Disturbance, Faults, Harm
from whatsapp_simulator.network import Network
from whatsapp_simulator.user import User

_BANNED = 402
_CUT_SECONDS = 5.0


class FaultInjection(ABC):
    """The faults of a simulated WhatsApp.

    Attributes:
        faults: The switches that the methods set.
        network: The users, and the state of the servers.
    """

    faults: Faults
    network: Network
    _connections: set[Connection]

    @abstractmethod
    def _reset_connections(self) -> None:
        """Reset every TCP connection."""

    def recover(self) -> None:
        """End every fault."""
        self.faults.rest()

    # The connection

    async def cut(self) -> None:
        """Reset every TCP connection; new ones are accepted."""
        former = set(self._connections)
        self._reset_connections()
        await self.network.until(lambda: former.isdisjoint(self._connections), _CUT_SECONDS)

    async def refuse(self) -> None:
        """Reset every TCP connection, and new ones too, until `recover`."""
        self.faults.refuse = True
        await self.cut()

    async def restart(self, seconds: float = 0.5) -> None:
        """Stop for so many seconds: connections are reset and refused; the state stays."""
        await self.refuse()
        await anyio.sleep(seconds)
        self.faults.refuse = False

    def go_silent(self) -> None:
        """Keep TCP connections open without reading or writing, until `recover`."""
        self.faults.silence.shut()

    def slow(self, latency: float, piece: int | None = None) -> None:
        """Delay all data by `latency` seconds and send it in pieces of `piece` bytes, until `recover`."""
        self.faults.latency, self.faults.trickle = latency, piece

    def garble(self) -> None:
        """Send every logged-in client a frame that does not decrypt."""
        for connection in self._logged_in():
            connection.garble()

    # Connecting and logging in

    def proxy_status(self, status: int) -> None:
        """Answer CONNECT with this HTTP status, until `recover`."""
        self.faults.proxy_status = status

    def swallow_connect(self) -> None:
        """Never answer CONNECT, until `recover`; requests from before stay unanswered until `cut`."""
        self.faults.swallow_connect = True

    def swallow_websocket(self) -> None:
        """Never answer the websocket request, until `recover`; see `swallow_connect`."""
        self.faults.swallow_websocket = True

    def swallow_noise(self) -> None:
        """Never answer the Noise handshake, until `recover`; see `swallow_connect`."""
        self.faults.swallow_noise = True

    def bad_certificate(self) -> None:
        """Sign the Noise certificates with a key that no client trusts, until `recover`."""
        self.faults.bad_certificate = True

    def websocket_status(self, status: int) -> None:
        """Answer the websocket request with this HTTP status, until `recover`."""
        self.faults.websocket_status = status

    def failure(self, reason: int, *, at_once: bool = False, **attrs: str | int) -> None:
        """Answer logins with `<failure reason=...>`, until `recover`; open connections stay.

        Args:
            reason: 401, 403, 406 unlink the client; 402 is a ban (`code` 101 and `expire` 3600 seconds
                unless given); 405 means that the client is too old; others are errors.
            at_once: Close the connection immediately afterwards: the client may never read the reason.
            **attrs: Further attributes.
        """
        ban = {"code": "101", "expire": "3600"} if reason == _BANNED else {}
        given = {key: str(value) for key, value in attrs.items()}
        self.faults.login_failure = {"reason": str(reason), **ban, **given}
        if at_once:
            self.faults.close_delay = 0.0

    def offer_codes(self, count: int) -> None:
        """Give clients that are not linked yet only `count` QR codes, of 20 seconds each, until `recover`."""
        self.faults.qr_refs = count

    def wrong_adv(self) -> None:
        """Let phones answer QR and pairing codes with a wrong HMAC, which clients refuse, until `recover`."""
        self.faults.wrong_adv = True

    def ask_for_passkey(self) -> None:
        """Ask for a passkey after a phone has accepted a QR or pairing code, until `recover`."""
        self.faults.passkey = True

    def fill_linked_devices(self) -> None:
        """Let phones refuse QR and pairing codes: they have four linked devices already, until `recover`."""
        self.faults.full = True

    # The session

    async def stream_error(self, code: str | int | None, *content: Node, close: bool = True) -> None:
        """Send every logged-in client `<stream:error>`, then close the connection."""
        for _, companion in self._online():
            await self._end(companion, Node("stream:error", {"code": code}, content or None), close)

    async def replaced(self) -> None:
        """Tell every client that another client has taken over its session."""
        await self.stream_error(None, Node("conflict", {"type": "replaced"}))

    async def device_removed(self) -> None:
        """Unlink every companion that is online, as the phone's list of linked devices does."""
        removed = Node("stream:error", {"code": 401}, [Node("conflict", {"type": "device_removed"})])
        for account, companion in self._online():
            devices.unlink(account, companion)
            await self._end(companion, removed, close=True)

    def skew_clock(self, seconds: float) -> None:
        """Set the servers' clock ahead (below zero: back), until `recover`."""
        self.faults.clock_skew = seconds

    # What a client sends

    def ignore_pings(self) -> None:
        """Never answer keep-alive queries, until `recover`."""
        self.faults.ignore_pings = True

    def ignore_queries(self, *namespaces: str) -> None:
        """Never answer queries of these namespaces (`usync`, `w:g2` ... or `*`), until `recover`."""
        self.faults.ignore_queries.update(namespaces)

    def refuse_queries(self, code: int, *namespaces: str) -> None:
        """Answer queries of these namespaces (`encrypt`, `usync` ...) with this error, until `recover`."""
        self.faults.refuse_queries.update(dict.fromkeys(namespaces, code))

    def no_acks(self) -> None:
        """Deliver messages without acknowledging them, until `recover`."""
        self.faults.no_acks = True

    def cut_before_ack(self, messages: int = 1) -> None:
        """Deliver the next messages, and reset the sender's connection instead of acknowledging each."""
        self.faults.cut_before_ack = messages

    def ack_error(self, code: int) -> None:
        """Deliver no message and acknowledge each with this error, until `recover`."""
        self.faults.ack_error = code

    # What a client receives. `tag` is `message`, `receipt`, `notification` or `call`.

    def lose(self, stanzas: int, tag: str = "message") -> None:
        """Lose the next stanzas; they arrive with the next login."""
        self._disturb("lose", stanzas, tag)

    def delay(self, stanzas: int, seconds: float, tag: str = "message") -> None:
        """Delay the next stanzas by so many seconds; others overtake them."""
        self._disturb("delay", stanzas, tag, seconds)

    def duplicate(self, stanzas: int, tag: str = "message") -> None:
        """Send each of the next stanzas twice."""
        self._disturb("duplicate", stanzas, tag)

    def reorder(self, stanzas: int, tag: str = "message") -> None:
        """Hold the next stanzas until all have arrived, then send them in reverse order."""
        self._disturb("reorder", stanzas, tag)

    def corrupt(self, messages: int) -> None:
        """Flip a bit in the next messages: the client cannot decrypt them and requests them again."""
        self._disturb("corrupt", messages, "message")

    def withhold(self, messages: int) -> None:
        """Omit the ciphertexts of the next messages: the client requests them from the phone."""
        self._disturb("withhold", messages, "message")

    def send(self, node: Node) -> None:
        """Send any stanza to every logged-in client, once; it is not kept for later."""
        for connection in self._logged_in():
            connection.send(node)

    def send_raw(self, stanza: bytes) -> None:
        """Send every logged-in client a frame with any bytes as its plaintext."""
        for connection in self._logged_in():
            connection.send_raw(stanza)

    def malformed_stanza(self) -> None:
        """Send every logged-in client a frame whose plaintext is not a stanza."""
        self.send_raw(b"\0\xf8")

    def unknown_stanza(self) -> None:
        """Send every logged-in client a stanza of an unknown kind."""
        self.send(Node("nonsense", {"from": SERVER, "id": self.network.new_id()}))

    def unknown_receipt(self) -> None:
        """Send every logged-in client a receipt of an unknown type."""
        self._from_the_phone("receipt", {"type": "nonsense"}, None)

    def unknown_chatstate(self) -> None:
        """Send every logged-in client a typing notification of an unknown kind."""
        self._from_the_phone("chatstate", {}, [Node("nonsense")])

    # Files

    def media_status(self, status: int, times: int | None = None) -> None:
        """Answer media requests with this HTTP status, all or the next few, until `recover`."""
        self.faults.media_status, self.faults.media_status_left = status, times

    def corrupt_media(self) -> None:
        """Flip a byte in every media download, until `recover`."""
        self.faults.media_corrupt = True

    def _disturb(self, harm: Harm, count: int, tag: str, seconds: float = 0.0) -> None:
        faults = self.faults
        faults.disturbances = [each for each in faults.disturbances if (each.harm, each.tag) != (harm, tag)]
        if count > 0:
            faults.disturbances.append(Disturbance(harm, count, tag, seconds))

    def _from_the_phone(self, tag: str, attrs: dict[str, str], content: list[Node] | None) -> None:
        network = self.network
        for account, companion in self._online():
            address = {"from": account.lid, "id": network.new_id(), "t": network.timestamp()}
            companion.pass_on(Node(tag, {**address, **attrs}, content))

    def _online(self) -> list[tuple[User, Companion]]:
        """Every logged-in companion, with its account."""
        accounts = self.network.accounts
        companions = ((account, each) for account in accounts for each in account.companions.values())
        return [(account, each) for account, each in companions if each.active]

    def _logged_in(self) -> Iterator[Connection]:
        return (each.connection for _, each in self._online() if each.connection is not None)

    async def _end(self, companion: Companion, node: Node, close: bool) -> None:
        connection = companion.connection
        if connection is None:
            return
        connection.send(node)
        companion.active = False
        if close:
            await connection.close(self.faults.close_delay)
