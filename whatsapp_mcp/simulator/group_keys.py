"""The sender keys of one group's members, and who has got which."""

from __future__ import annotations

from dataclasses import dataclass, field

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.simulator.signal.sender_key import SenderKey, SenderKeyReceiver
from whatsapp_mcp.simulator.signal.xeddsa import Random


@dataclass(slots=True)
class _Sender:
    key: SenderKey
    known_to: set[Jid] = field(default_factory=set[Jid])


class GroupKeys:
    """How phones write to a group, and how they read what companions write. Devices go by their LIDs."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._senders: dict[Jid, _Sender] = {}
        self._receivers: dict[tuple[Jid, Jid], SenderKeyReceiver] = {}

    def sender(self, phone: Jid) -> SenderKey:
        """The key with which a phone writes."""
        if phone not in self._senders:
            self._senders[phone] = _Sender(SenderKey.create(self._random))
        return self._senders[phone].key

    def distribution(self, phone: Jid, companion: Jid) -> bytes | None:
        """A phone's key for a companion that does not have it yet; else None."""
        key = self.sender(phone)
        known_to = self._senders[phone].known_to
        if companion in known_to:
            return None
        known_to.add(companion)
        return key.distribution()

    def forget(self, companion: Jid) -> None:
        """Hand every key to this companion again."""
        for sender in self._senders.values():
            sender.known_to.discard(companion)

    def rotate(self) -> None:
        """Let every phone begin a new key, as when somebody has left."""
        self._senders.clear()

    def learn(self, phone: Jid, companion: Jid, distribution: bytes) -> None:
        """A companion has handed its key to a phone."""
        receiver = self._receivers.get((phone, companion))
        if receiver is None:
            self._receivers[phone, companion] = SenderKeyReceiver.from_distribution(distribution)
        else:
            receiver.update(distribution)

    def receiver(self, phone: Jid, companion: Jid) -> SenderKeyReceiver | None:
        """How a phone reads a companion; None when it has no key of it."""
        return self._receivers.get((phone, companion))
