"""Chains of message keys, shared by sessions and sender keys."""

from __future__ import annotations

from dataclasses import dataclass, field

from whatsapp_simulator.signal.primitives import hmac_sha256
from whatsapp_simulator.signal.wire import SignalError

_MAX_SKIPPED = 2000


class DuplicateMessage(SignalError):
    """The message was decrypted before; its key is gone."""


@dataclass(slots=True)
class Chain:
    """A chain of message keys: the chain key of message `index`, and the keys of skipped messages.

    The receiving side of a session has one for each ratchet key of the sender; a sender key is one.
    """

    key: bytes
    index: int = 0
    skipped: dict[int, bytes] = field(default_factory=dict[int, bytes])

    def advance(self) -> bytes:
        """Return the message key of `index` and advance the chain."""
        message_key = hmac_sha256(self.key, b"\x01")
        self.key = hmac_sha256(self.key, b"\x02")
        self.index += 1
        return message_key

    def upto(self, counter: int) -> tuple[bytes, Chain]:
        """The message key of `counter`, and the chain after that key is used.

        This chain does not change, so a forged message has no effect.

        Raises:
            DuplicateMessage: That key was used before, or was never received.
            SignalError: More than 2,000 messages ahead.
        """
        if counter < self.index:
            if counter not in self.skipped:
                raise DuplicateMessage(f"message {counter} was decrypted before")
            rest = {index: key for index, key in self.skipped.items() if index != counter}
            return self.skipped[counter], Chain(self.key, self.index, rest)
        if counter - self.index > _MAX_SKIPPED:
            raise SignalError(f"message {counter} is too far ahead of {self.index}")
        ahead = Chain(self.key, self.index, self.skipped)
        if counter > self.index:
            ahead.skipped = dict(self.skipped)
            while ahead.index < counter:
                index = ahead.index
                ahead.skipped[index] = ahead.advance()
            while len(ahead.skipped) > _MAX_SKIPPED:
                del ahead.skipped[next(iter(ahead.skipped))]
        return ahead.advance(), ahead
