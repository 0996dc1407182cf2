"""The sender keys of one group's members, and which device has received which."""

from __future__ import annotations

from dataclasses import dataclass, field

from whatsapp_mcp.jid import Jid
from whatsapp_simulator.signal.sender_key import SenderKey, SenderKeyReceiver
from whatsapp_simulator.signal.xeddsa import Random


@dataclass(slots=True)
class _Sender:
    key: SenderKey
    known_to: set[Jid] = field(default_factory=set[Jid])


class GroupKeys:
    """The sender keys with which phones write to a group and read companions. Devices are keyed by LID."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._senders: dict[Jid, _Sender] = {}
        self._receivers: dict[tuple[Jid, Jid], SenderKeyReceiver] = {}

    def sender(self, phone: Jid) -> SenderKey:
        """The key with which a phone encrypts."""
        if phone not in self._senders:
            self._senders[phone] = _Sender(SenderKey.create(self._random))
        return self._senders[phone].key

    def distribution(self, phone: Jid, companion: Jid) -> bytes | None:
        """A phone's key if this companion does not have it yet, otherwise None."""
        key = self.sender(phone)
        known_to = self._senders[phone].known_to
        if companion in known_to:
            return None
        known_to.add(companion)
        return key.distribution()

    def forget(self, companion: Jid) -> None:
        """Send every key to this companion again."""
        for sender in self._senders.values():
            sender.known_to.discard(companion)

    def rotate(self) -> None:
        """Let every phone create a new key, as after a member has left."""
        self._senders.clear()

    def learn(self, phone: Jid, companion: Jid, distribution: bytes) -> None:
        """Store the key that a companion sent to a phone."""
        receiver = self._receivers.get((phone, companion))
        if receiver is None:
            self._receivers[phone, companion] = SenderKeyReceiver.from_distribution(distribution)
        else:
            receiver.update(distribution)

    def receiver(self, phone: Jid, companion: Jid) -> SenderKeyReceiver | None:
        """The key with which a phone decrypts a companion's messages; None if it has none."""
        return self._receivers.get((phone, companion))
