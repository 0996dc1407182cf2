"""Meanings of the library's error sentences, and the refusals of a client that its leader passes on.

neonize reports every failure of the Go side as a sentence; the ones below were observed with neonize 0.5.2.
Whatever is not known is `Rejected`, with WhatsApp's code where there is one. The sentence itself goes no
further: it may quote what another person sent, such as the path of a file.

The library acknowledges a message also when its database failed, and says so nowhere but in its log, before
it acknowledges (whatsmeow, `decryptMessages`). WhatsApp then never offers that message again. A process that
ends inside the callback of that line leaves the message at WhatsApp for the next client. A stranger must not
be able to write such a line: each client that gets their message would end. Of what the lines quote, a sender
chooses the id of the message. So an error counts where it follows the sender's address, or where it ends the
line: an id stands before both.

Errors reach a model, and whoever has taken a client over chooses their words. So its leader passes the kind
of an error on, and a sentence only if it is one of those here.
"""

from __future__ import annotations

import logging
import math
import re
from typing import Any, Final

from whatsapp_mcp.errors import (
    TIMELOCKED,
    Busy,
    DeadlineExceeded,
    FileNotAllowed,
    InvalidArgument,
    MediaUnavailable,
    NotConnected,
    NotLinked,
    NotOnWhatsApp,
    RateLimited,
    Rejected,
    SendUnknown,
    TooLong,
    Unsupported,
    WhatsAppError,
)
from whatsapp_mcp.processes.capabilities import CAPABILITIES
from whatsapp_mcp.storage import KeysAddress

_MEANINGS: Final[tuple[tuple[re.Pattern[str], type[WhatsAppError], str], ...]] = tuple(
    # The first that matches counts: a send that was cut off also says that the websocket is gone.
    (re.compile(pattern, re.IGNORECASE), kind, sentence)
    for pattern, kind, sentence in (
        (
            r"timed out waiting for message send response|before message send returned",
            SendUnknown,
            "WhatsApp did not say whether it took the message.",
        ),
        (
            r"doesn't contain a device JID|not logged in|store is nil",
            NotLinked,
            "No phone is linked to this account.",
        ),
        (
            r"websocket (is )?not connected|websocket disconnected|client is nil|failed to dial"
            r"|socket is closed|use of closed network connection|connection reset|broken pipe",
            NotConnected,
            "The connection to WhatsApp is down.",
        ),
        (
            r"disk I/O error|database or disk is full",
            NotConnected,
            "The client library cannot write its keys to the disk.",
        ),
        (
            r"database disk image is malformed|file is not a database",
            Rejected,
            "The stored keys of this device are damaged: unlink it, then link the phone again.",
        ),
        (r"no LID found for|is not on WhatsApp", NotOnWhatsApp, "This number has no WhatsApp account."),
        (
            r"server returned error 463\b",
            Rejected,
            TIMELOCKED,
        ),
        (r"\b429\b|rate-overlimit", RateLimited, "WhatsApp asks for fewer requests."),
        (r"\b503\b|service-unavailable", RateLimited, "WhatsApp is overloaded."),
        (
            r"(media|download|upload|file|hmac|hash).{0,200}\b(403|404|410)\b",
            MediaUnavailable,
            "WhatsApp no longer has this file.",
        ),
        (
            r"invalid media|hash mismatch|hmac mismatch|no url present|nothing downloadable|no downloadable"
            r"|didn't find any attachments",
            MediaUnavailable,
            "WhatsApp's servers do not have this file.",
        ),
        (
            r"no app state keys found|without PushName set",
            Busy,
            "The phone has not yet handed over what this needs.",
        ),
        (
            r"\b403: forbidden",
            Rejected,
            "WhatsApp does not let this account do that; in a group it may take an admin.",
        ),
        (r"invite link is not valid|invite link was revoked", InvalidArgument, "This invite is not valid."),
        (r"message secret key not found", Unsupported, "The key of that message never reached this device."),
        (r"invalid (phone|number)|phone number too short", InvalidArgument, "This is not a phone number."),
    )
)
_NOT_GONE_OUT: Final = "WhatsApp does not answer, the message has not gone out."
_NOT_SAID: Final = "The connection was lost before WhatsApp said whether it took the message."
_NO_ANSWER: Final = "WhatsApp did not answer."
_REFUSED: Final = "WhatsApp or its client library refused it."
NEVER_CONNECTED: Final = "The client has not been connected."
NO_PHONE: Final = "No phone is linked to this account."
NOT_LOGGED_IN: Final = "The client has not logged in yet."
CONNECTED_ALREADY: Final = "The client is connecting or connected already."
NOT_INTERNATIONAL: Final = "The number is not in international form."
NO_CODES_NOW: Final = "A pairing code is made only while QR codes are shown."
INVALID_INVITE: Final = "This invite is not valid: it has expired, was revoked, or is for somebody else."
ASK_FOR_A_NEW_ONE: Final = "Tell the user to ask for a new one."
TOO_LARGE: Final = "The file has {size:.0f} MB, and at most {most:.0f} are taken."
OPEN_ON_THE_PHONE: Final = "Tell the user: it can be opened on the phone, or media.max_megabytes be raised."
NOT_IN_THIS_LIBRARY: Final = "The installed client library cannot do this."
UNUSABLE_FILE: Final = "The file cannot be used; the client's log says why."
SENTENCES: Final = frozenset(
    {words for _, _, words in _MEANINGS}
    | {each.cannot for each in CAPABILITIES}
    | {
        _NOT_GONE_OUT,
        _NOT_SAID,
        _NO_ANSWER,
        _REFUSED,
        NEVER_CONNECTED,
        NO_PHONE,
        NOT_LOGGED_IN,
        INVALID_INVITE,
    }
    | {CONNECTED_ALREADY, NOT_INTERNATIONAL, NO_CODES_NOW, NOT_IN_THIS_LIBRARY, UNUSABLE_FILE}
)
"""All that a client says when it refuses a call, but for what has numbers in it."""
_WITH_NUMBERS: Final = re.compile(
    r"WhatsApp or its client library refused it \(code \d{3}\)\."
    r"|The file has \d{1,6} MB, and at most \d{1,6} are taken\."
)
_ACTIONS: Final = frozenset({ASK_FOR_A_NEW_ONE, OPEN_ON_THE_PHONE})
_UNKNOWN: Final = "The client process could not do it; its log says why."
_KINDS: Final[dict[object, type[WhatsAppError]]] = {
    kind.code: kind
    for kind in (
        Busy,
        DeadlineExceeded,
        FileNotAllowed,
        InvalidArgument,
        MediaUnavailable,
        NotConnected,
        NotLinked,
        NotOnWhatsApp,
        RateLimited,
        Rejected,
        SendUnknown,
        TooLong,
        Unsupported,
    )
}
"""Errors with which a client may refuse; none says that a person has to be asked."""
_LONGEST_WAIT: Final = 3600.0
"""Seconds of `retry_after` that a client is believed."""
_BEFORE_HAND_OVER: Final = re.compile(r"^failed to (?!write)|client is nil|before info query", re.IGNORECASE)
"""Errors of a step before the message's own frame is out. After a cut the library sends a frame again; if
that second try finds no connection, the error lacks these words (whatsmeow, `request.go`)."""
_TIMED_OUT: Final = re.compile(r"timed out|deadline exceeded", re.IGNORECASE)
_CODE: Final = re.compile(r"\b(?:error|status|code) (?:code )?(\d{3})\b", re.IGNORECASE)
_BEGINNING: Final = re.compile(r"[a-z' ]{1,60}", re.IGNORECASE)
"""Words with which the library begins: they say which of its steps failed, before anything that it quotes."""
_UNSTORED: Final = "Failed to store message secret key for outgoing message "
"""Without the secret nobody could find out later that the message was sent."""
_NOT_DECRYPTED: Final = "Error decrypting message "
_SENDER: Final = re.compile(r" from [^\s@]+@[^\s@]+(?: in [^\s@]+@[^\s@]+)?: ")
_STEP_FAILED: Final = re.compile(
    r"failed to decrypt (?:normal|prekey|group) message: "
    r"failed to (?:load|store|save|remove|check|get buffered event|begin|commit)\b"
)
"""Beginning of a decryption error where the database failed, whichever it is (whatsmeow, `store/signal.go`).

Not any `get`: libsignal fails to get message keys, which is the sender's doing.
"""
_NOT_ENCRYPTED: Final = re.compile(r"Failed to encrypt .+: failed to (?:load|store|save|check|clear)\b")
"""A message is sent without the devices for which it could not be encrypted, and called sent."""
_DRIVER_FAILED: Final = r"pq: .+ \([0-9A-Z]{5}\)|pq: [^:]+|sql: [^:]+|driver: bad connection"
"""Ends of errors of the driver for PostgreSQL (lib/pq, with the SQLSTATE) and of Go's `database/sql`."""
_NETWORK_FAILED: Final = (
    r"(?:dial|read|write) (?:tcp|unix) (?:\S+->)?\S*[:.]{port}: (?:(?:connect|read|write): )?(?:{errors})"
    r"|dial tcp: lookup {host}\b.*: (?:{errors})"
)
"""Go's network errors (`net.OpError`), as the driver passes them on; WhatsApp is at other addresses."""
_NETWORK_ERRORS: Final = (
    "connection refused|connection reset by peer|connection timed out|broken pipe|i/o timeout"
    "|network is unreachable|no route to host|no such host|no such file or directory|permission denied"
    "|server misbehaving|software caused connection abort|use of closed network connection"
    "|operation was canceled|EOF"
)
_WITHOUT_ERROR: Final = (
    "Handler for ",
    "Unhandled encrypted message ",
    "Not sending any more retry receipts ",
)
"""Beginnings of lines that end with something that a sender chooses, and tell of no error."""

logger = logging.getLogger(__name__)


def meaning(error: Exception, *, sending: bool = False) -> WhatsAppError:
    """The error that an exception of the library stands for.

    Args:
        error: As neonize raised it.
        sending: Whether a message was being sent. The queries that come before the message itself can time
            out as well: then it has not gone out, which is said by `NotConnected`.
    """
    sentence = sentence_of(error)
    for pattern, kind, words in _MEANINGS:
        if pattern.search(sentence):
            if sending and kind is NotConnected and not _BEFORE_HAND_OVER.search(sentence):
                return SendUnknown(_NOT_SAID)
            return kind(words, retry_after=60.0 if kind is RateLimited else None)
    # After the table, which knows the one time-out that proves nothing: that of the message itself.
    if _TIMED_OUT.search(sentence):
        if sending:
            return NotConnected(_NOT_GONE_OUT)
        return DeadlineExceeded(_NO_ANSWER)
    beginning, code = _BEGINNING.match(sentence), _CODE.search(sentence)
    logger.warning("client: the library failed with an unknown error: %s", beginning and beginning[0])
    return Rejected(f"{_REFUSED[:-1]} (code {code[1]})." if code else _REFUSED)


class KeysFailure:
    """Knows from what the library says that its database failed.

    Args:
        keys: The database. Errors of PostgreSQL may stand in any line, those of a file do not: then no line
            counts that may quote what a stranger has sent.
    """

    def __init__(self, keys: KeysAddress) -> None:
        self._ends: re.Pattern[str] | None = None
        if server := keys.server:
            host, port = map(re.escape, server)
            network = _NETWORK_FAILED.format(host=host, port=port, errors=_NETWORK_ERRORS)
            self._ends = re.compile(rf"(?:^|: )(?:{_DRIVER_FAILED}|{network})$")

    def is_told_by(self, line: str) -> bool:
        """Return whether a log line without time and level, or a call's error, reports such a failure."""
        if line.startswith(_UNSTORED) or _NOT_ENCRYPTED.match(line):
            return True
        if line.startswith(_WITHOUT_ERROR):
            return False
        error = _SENDER.split(line)[-1]
        if line.startswith(_NOT_DECRYPTED) and _STEP_FAILED.match(error):
            return True
        return self._ends is not None and self._ends.search(error) is not None


def sentence_of(error: Exception) -> str:
    """Return the Go side's sentence; neonize may pass it as bytes or within the answer's protobuf."""
    said = error.args[0] if error.args else ""
    if isinstance(said, bytes):
        return said.decode(errors="replace")
    return str(getattr(said, "Error", said))


def error_of_client(body: dict[str, Any]) -> WhatsAppError:
    """The error that a client process has answered, in words of ours alone.

    Args:
        body: Of JSON-RPC, as `frames.error_of` takes it.
    """
    data = body.get("data")
    said: dict[str, Any] = data if isinstance(data, dict) else {}
    code, message, action = said.get("code"), said.get("message"), said.get("action")
    # JSON may have a list here, which cannot be looked up in a dictionary.
    kind = _KINDS.get(code, Busy) if isinstance(code, str) else Busy
    return kind(
        message if isinstance(message, str) and _is_known(message) else _UNKNOWN,
        action if isinstance(action, str) and action in _ACTIONS else None,
        retry_after=_seconds(said.get("retry_after")),
    )


def _is_known(message: str) -> bool:
    return message in SENTENCES or _WITH_NUMBERS.fullmatch(message) is not None


def _seconds(wait: object) -> float | None:
    if isinstance(wait, int | float) and math.isfinite(wait):
        return min(max(0.0, wait), _LONGEST_WAIT)
    return None
