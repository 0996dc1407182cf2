"""Which lines of the library's log say that it could not read or write its keys.

The library acknowledges a message also when its database failed, and says so nowhere but in its log, before
it acknowledges (whatsmeow, `decryptMessages`). WhatsApp then never offers that message again. A process that
ends inside the callback of that line leaves the message at WhatsApp for the next client.

A stranger must not be able to write such a line: each client that gets their message would end. Of what the
lines quote, a sender chooses the id of the message. So an error counts where it follows the sender's address,
or where it ends the line: an id stands before both.
"""

from __future__ import annotations

import re
from typing import Final

_UNSTORED: Final = "Failed to store message secret key for outgoing message "
"""Without the secret nobody could find out later that the message was sent."""
_NOT_DECRYPTED: Final = "Error decrypting message "
_SENDER: Final = re.compile(r" from \S+@\S+(?: in \S+@\S+)?: ")
_STEP_FAILED: Final = re.compile(
    r"failed to decrypt (?:normal|prekey|group) message: "
    r"failed to (?:load|store|save|remove|check|get|begin|commit)\b"
)
"""What decrypting says where the database failed, whichever it is (whatsmeow, `store/signal.go`)."""
_DATABASE_FAILED: Final = re.compile(
    r"(?:^|: )(?:pq: .+ \([0-9A-Z]{5}\)|pq: [^:]+|sql: [^:]+|driver: bad connection)$"
)
"""How errors of the driver for PostgreSQL (lib/pq, with the SQLSTATE) and of Go's `database/sql` end."""
_WITHOUT_ERROR: Final = (
    "Handler for ",
    "Unhandled encrypted message ",
    "Not sending any more retry receipts ",
)
"""Beginnings of lines that end with something that a sender chooses, and tell of no error."""


def keys_failed(line: str) -> bool:
    """Whether a line of the library's log, without time and level, says that its database failed."""
    if line.startswith(_UNSTORED):
        return True
    if line.startswith(_WITHOUT_ERROR):
        return False
    error = _SENDER.split(line)[-1]
    if line.startswith(_NOT_DECRYPTED) and _STEP_FAILED.match(error):
        return True
    return _DATABASE_FAILED.search(error) is not None
