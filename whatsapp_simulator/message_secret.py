"""Encryption with the secret of an earlier message: poll votes, event responses, comments.

A message that can be answered in this way contains 32 random bytes, `messageContextInfo.messageSecret`. The
key is derived from it, its author, the answering user and the kind of answer, so nobody can pass an answer
off as another user's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator.signal.primitives import hkdf
from whatsapp_simulator.signal.xeddsa import Random

UseCase = Literal["Poll Vote", "Enc Reaction", "Enc Comment", "Event Response", "Event Edit"]

_BOUND_TO_SENDER = ("Poll Vote", "Event Response")
_IV_LENGTH = 12


class MessageSecretError(Exception):
    """An answer does not belong to this message or this sender."""


@dataclass(frozen=True, slots=True)
class MessageSecret:
    """The answered message: its id, its sender's address without device, its secret (32 bytes)."""

    message_id: str
    sender: str
    secret: bytes

    def encrypt(
        self, use_case: UseCase, answerer: str, plaintext: bytes, random: Random = os.urandom
    ) -> tuple[bytes, bytes]:
        """Encrypt an answer of `answerer` (address without device); return payload and IV."""
        iv = random(_IV_LENGTH)
        key, bound = self._key(use_case, answerer)
        return AESGCM(key).encrypt(iv, plaintext, bound), iv

    def decrypt(self, use_case: UseCase, answerer: str, payload: bytes, iv: bytes) -> bytes:
        """Undo `encrypt`.

        Raises:
            MessageSecretError: It belongs to another message, sender or kind of answer.
        """
        key, bound = self._key(use_case, answerer)
        try:
            return AESGCM(key).decrypt(iv, payload, bound)
        except (InvalidTag, ValueError) as error:
            raise MessageSecretError("the answer does not belong to the message") from error

    def _key(self, use_case: UseCase, answerer: str) -> tuple[bytes, bytes | None]:
        info = self.message_id + self.sender + answerer + use_case
        bound = f"{self.message_id}\0{answerer}".encode() if use_case in _BOUND_TO_SENDER else None
        return hkdf(self.secret, info.encode(), 32), bound


def encrypt_vote(
    poll: MessageSecret, voter: str, options: Sequence[str], random: Random = os.urandom
) -> E2E.PollEncValue:
    """A vote for options of a poll, by their names; no names remove the vote."""
    vote = E2E.PollVoteMessage(selectedOptions=[option_hash(option) for option in options])
    payload, iv = poll.encrypt("Poll Vote", voter, vote.SerializeToString(), random)
    return E2E.PollEncValue(encPayload=payload, encIV=iv)


def decrypt_vote(
    poll: MessageSecret, voter: str, vote: E2E.PollEncValue, options: Sequence[str]
) -> list[str]:
    """The names among the poll's `options` that were voted for.

    Raises:
        MessageSecretError: The vote belongs to another poll or voter, or to an option that does not exist.
    """
    plaintext = poll.decrypt("Poll Vote", voter, vote.encPayload, vote.encIV)
    names = {option_hash(option): option for option in options}
    try:
        return [names[chosen] for chosen in E2E.PollVoteMessage.FromString(plaintext).selectedOptions]
    except KeyError as error:
        raise MessageSecretError("no such option") from error


def option_hash(option: str) -> bytes:
    """The identifier of an option in a vote: the SHA-256 of its text."""
    return sha256(option.encode()).digest()
