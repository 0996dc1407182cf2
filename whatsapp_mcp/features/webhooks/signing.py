"""Signatures by which a receiver knows that an event is ours, as Standard Webhooks 1.0.0 has them.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.files.vault import KeySource

if TYPE_CHECKING:
    from whatsapp_mcp.models import Change

PREFIX: Final = "whsec_"
_SHORTEST, _LONGEST = 24, 64
"""Bytes of a secret."""
_NEW_BYTES: Final = 32


def new_secret() -> str:
    """A secret that nobody can guess, as both sides write it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_NEW_BYTES)).decode()


def find_secret(place: str) -> bytes:
    """The secret that is kept at a place.

    Args:
        place: `env:VARIABLE` or `keyring:NAME`.

    Raises:
        InvalidArgument: There is none, or it is no secret.
        WhatsAppError: The keyring cannot be used.
    """
    where, _, name = place.partition(":")
    if where == "env":
        text = os.environ.get(name, "")
    else:
        text = (KeySource(name=name).read() or b"").decode(errors="replace")
    if not text:
        raise InvalidArgument(
            f"There is no secret at {place}.",
            "Set the environment variable for the server."
            if where == "env"
            else f"Store it: python -m keyring set whatsapp-mcp {name}",
        )
    return _decoded(text.strip(), place)


def _decoded(text: str, place: str) -> bytes:
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.startswith(PREFIX) or not _SHORTEST <= len(secret) <= _LONGEST:
        raise InvalidArgument(
            f"What is at {place} is no secret: {PREFIX} and {_SHORTEST} to {_LONGEST} bytes in base64.",
            "Make one with `whatsapp-mcp webhooks secret`.",
        )
    return secret


def event_id(change: Change) -> str:
    """The id of a change's event: always the same, whoever delivers it, and in whichever attempt.

    It is made of what never changes of an entry of the feed. A chat's address may: when people are merged.
    """
    entry = f"{change.seq}.{change.at.timestamp():.0f}.{change.kind}.{change.message_id or ''}"
    return f"msg_{hashlib.sha256(entry.encode()).hexdigest()[:32]}"


def signed(event: str, timestamp: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The headers of one attempt.

    Args:
        event: The event's id.
        timestamp: When the attempt is made, in seconds since 1970.
        body: What is posted.
        keys: The secrets, each of which signs: a receiver may know any of them.
    """
    content = f"{event}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys]
    return {
        "webhook-id": event,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
