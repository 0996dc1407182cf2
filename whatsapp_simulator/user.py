"""A user with a WhatsApp number: two addresses, a phone with Signal keys, received and sent messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator.binary import Node
from whatsapp_simulator.business import Business, verified_name
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.envelope import Outgoing, Receipt, Received, edit_of, shows_wrongly
from whatsapp_simulator.group_keys import GroupKeys
from whatsapp_simulator.media import Picture
from whatsapp_simulator.signal.session import (
    IdentityKeyPair,
    PreKeyBundle,
    Session,
    UnknownBaseKey,
    pad,
    unpad,
)
from whatsapp_simulator.signal.wire import PreKeyMessage, SignalError
from whatsapp_simulator.signal.xeddsa import sign
from whatsapp_simulator.simulation import Simulation

_SIGNED_PREKEY_ID = 1


State = Literal["composing", "recording", "paused"]


@dataclass(frozen=True, slots=True)
class Activity:
    """A typing notification from somebody's companion in a chat."""

    sender: Jid
    chat: Jid
    state: State


class User:
    """A number, its LID and its phone's Signal keys, which are created when first needed.

    Attributes:
        addressing: Whether its direct chats are addressed by LID, or by number as before LIDs existed.
        raw_id: The account's number in ADV.
        companions: The linked devices, by number.
        inbox: Every received message.
        sent: Every sent message, by id.
        receipts: The receipts for its sent messages.
        activities: The typing notifications in its chats.
        ended_calls: How companions ended its calls, by call id.
        business: Its business profile; None if it is not a business.
        last_seen: When it was last online, seconds since 1970; None hides it.
        status_keys: The sender keys of its status posts.
    """

    def __init__(self, simulation: Simulation, number: str, name: str) -> None:
        self.simulation = simulation
        self.name = name
        self.about = "Hey there! I am using WhatsApp."
        self.pn = Jid.phone(number)
        self.lid = simulation.lid_for(self.pn)
        self.addressing: Literal["lid", "pn"] = "lid"
        self._random = simulation.random(f"user {self.pn.user}")
        self.registration_id = self._random.randrange(1, 16380)
        self.raw_id = simulation.random(f"raw id {self.pn.user}").randrange(1, 1 << 31)
        self.companions: dict[int, Companion] = {}
        self.inbox: list[Received] = []
        self.receipts: list[Receipt] = []
        self.activities: list[Activity] = []
        self.ended_calls: dict[str, str] = {}
        self.is_online = False
        self.last_seen: int | None = None
        self.picture: Picture | None = None
        self.business: Business | None = None
        self._unread: deque[Received] = deque()
        self._identity: IdentityKeyPair | None = None
        self._signed_prekey: IdentityKeyPair | None = None
        self._prekeys: dict[int, IdentityKeyPair] = {}
        self._next_prekey = 1
        self._sessions: dict[Jid, Session] = {}
        self.sent: dict[str, Outgoing] = {}
        self.status_keys = GroupKeys(simulation.random(f"status {self.pn.user}").randbytes)

    @property
    def jid(self) -> Jid:
        """The address by which chats are identified: the LID."""
        return self.lid

    @property
    def address(self) -> Jid:
        """Address of the user as the sender of stanzas in direct chats; see `addressing`."""
        return self.pn if self.addressing == "pn" else self.lid

    @property
    def number(self) -> str:
        """The number with its `+`."""
        return f"+{self.pn.user}"

    @property
    def verified_name(self) -> Node | None:
        """The certificate of a business for its messages and usync answers; None if it is not a business."""
        if self.business is None:
            return None
        random = self.simulation.random(f"name {self.business.name}").randbytes
        return verified_name(self.business, self.identity.private, random)

    @property
    def identity(self) -> IdentityKeyPair:
        """The phone's Signal identity."""
        if self._identity is None:
            self._identity = IdentityKeyPair.generate(self._random.randbytes)
        return self._identity

    @property
    def signed_prekey(self) -> IdentityKeyPair:
        """The phone's signed prekey; its id is 1."""
        if self._signed_prekey is None:
            self._signed_prekey = IdentityKeyPair.generate(self._random.randbytes)
        return self._signed_prekey

    def forget_keys(self) -> None:
        """Delete all keys and sessions; new ones are created when needed."""
        self.registration_id = self._random.randrange(1, 16380)
        self._identity = self._signed_prekey = None
        self._prekeys.clear()
        self._sessions.clear()

    def bundle(self) -> PreKeyBundle:
        """A prekey bundle with a new one-time prekey."""
        number, prekey = self._next_prekey, IdentityKeyPair.generate(self._random.randbytes)
        self._next_prekey += 1
        self._prekeys[number] = prekey
        signed = self.signed_prekey.public
        return PreKeyBundle(
            registration_id=self.registration_id,
            identity=self.identity.public,
            signed_prekey_id=_SIGNED_PREKEY_ID,
            signed_prekey=signed,
            signed_prekey_signature=sign(self.identity.private, b"\x05" + signed, self._random.randbytes),
            prekey_id=number,
            prekey=prekey.public,
        )

    def encrypt(self, companion: Companion, plaintext: bytes) -> tuple[str, bytes]:
        """Encrypt for one companion: (`pkmsg` or `msg`, ciphertext)."""
        session = self._sessions.get(companion.lid)
        if session is None:
            session = self.begin_session(companion.lid, companion.take_bundle())
        return session.encrypt(pad(plaintext, self._random.randbytes))

    def begin_session(self, device: Jid, bundle: PreKeyBundle) -> Session:
        """Start a new session with `device` from its published keys."""
        session = Session.initiate(
            self.identity,
            self.registration_id,
            bundle,
            replaces=self._sessions.get(device),
            random=self._random.randbytes,
        )
        self._sessions[device] = session
        return session

    def decrypt(self, device: Jid, kind: str, ciphertext: bytes) -> bytes:
        """Decrypt what `device` (a LID with device number) encrypted for this phone.

        Raises:
            SignalError: The message cannot be decrypted.
        """
        session = self._sessions.get(device)
        if kind == "msg":
            if session is None:
                raise SignalError("no session")
            return unpad(session.decrypt("msg", ciphertext))
        if session is not None:
            try:
                return unpad(session.decrypt("pkmsg", ciphertext))
            except UnknownBaseKey:
                pass
        session, plaintext = Session.accept(
            self.identity,
            {_SIGNED_PREKEY_ID: self.signed_prekey.private},
            _PrivateKeys(self._prekeys),
            ciphertext,
            replaces=session,
            random=self._random.randbytes,
        )
        self._prekeys.pop(PreKeyMessage.decode(ciphertext).prekey_id or 0, None)
        self._sessions[device] = session
        return unpad(plaintext)

    def take_in(self, received: Received) -> None:
        """Add a decrypted message to the inbox; an edit that phones would show wrongly is logged."""
        self._check_edit(received)
        self.inbox.append(received)
        self._unread.append(received)
        self.simulation.notify()

    def _check_edit(self, received: Received) -> None:
        edit = edit_of(received.message)
        if edit is None:
            return
        known = [each.message for each in self.inbox if each.id == edit.key.ID]
        known += [self.sent[edit.key.ID].message] if edit.key.ID in self.sent else []
        if known and (why := shows_wrongly(known[0], edit.editedMessage)) is not None:
            self.simulation.log_anomaly("edit", f"{received.id} of {edit.key.ID}: {why}")

    async def receives(self, timeout: float = 20.0) -> Received:
        """Wait for the next message in the inbox that was not returned before; return it.

        Raises:
            TimeoutError: None came.
        """
        await self.simulation.until(lambda: bool(self._unread), timeout)
        return self._unread.popleft()

    def got(self, message_id: str) -> Received:
        """A message in the inbox.

        Raises:
            KeyError: There is none with that id.
        """
        for received in reversed(self.inbox):
            if message_id == received.id:
                return received
        raise KeyError(message_id)

    async def receipt(self, message_id: str, kind: str, timeout: float = 20.0) -> Receipt:
        """Wait for the receipt of that kind for that message; return it.

        Raises:
            TimeoutError: It did not arrive.
        """

        def found() -> Receipt | None:
            return next((each for each in self.receipts if (each.id, each.kind) == (message_id, kind)), None)

        await self.simulation.until(lambda: found() is not None, timeout)
        receipt = found()
        assert receipt is not None
        return receipt

    def send_to_companion(self, companion: Companion, content: Any) -> str:
        """Send an `E2E.ProtocolMessage` from the phone to one of its companions; return the message id.

        Such a peer message is outside every chat.
        """
        simulation = self.simulation
        message_id = simulation.new_id()
        kind, ciphertext = self.encrypt(companion, E2E.Message(protocolMessage=content).SerializeToString())
        attrs = {
            "from": self.pn,
            "category": "peer",
            "id": message_id,
            "t": simulation.timestamp(),
            "type": "text",
        }
        companion.deliver(Node("message", attrs, [Node("enc", {"v": 2, "type": kind}, ciphertext)]))
        return message_id


class _PrivateKeys(Mapping[int, bytes]):
    """The private halves of key pairs, by id, without a copy."""

    def __init__(self, pairs: Mapping[int, IdentityKeyPair]) -> None:
        self._pairs = pairs

    def __getitem__(self, number: int) -> bytes:
        return self._pairs[number].private

    def __iter__(self):
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)
