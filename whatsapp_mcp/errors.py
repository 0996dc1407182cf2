"""The whole error tree: one base class, one class a code.

    WhatsAppError
    ├── InvalidArgument        INVALID_ARGUMENT
    ├── NotLinked              NOT_LINKED
    ├── NotConnected           NOT_CONNECTED
    ├── ChatNotFound           CHAT_NOT_FOUND
    ├── AmbiguousChat          AMBIGUOUS_CHAT
    ├── ContactNotFound        CONTACT_NOT_FOUND
    ├── NotOnWhatsApp          NOT_ON_WHATSAPP
    ├── MessageNotFound        MESSAGE_NOT_FOUND
    ├── TooLong                TOO_LONG
    ├── TooLate                TOO_LATE
    ├── FileNotAllowed         FILE_NOT_ALLOWED
    ├── MediaUnavailable       MEDIA_UNAVAILABLE
    ├── Rejected               REJECTED
    ├── RateLimited            RATE_LIMITED
    ├── Denied                 DENIED
    ├── ApprovalRequired       APPROVAL_REQUIRED
    ├── SendUnknown            SEND_UNKNOWN
    ├── KeyReused              KEY_REUSED
    ├── Unsupported            UNSUPPORTED
    ├── DeadlineExceeded       TIMEOUT
    └── Busy                   BUSY

Every error says what happened in one sentence (`message`) and what to do next (`action`). The same
triple travels over the pipes and the socket (`to_payload`, `from_payload`) and reaches the model.

Both sentences are made of fixed words, numbers and what the caller gave: never of the words of another person
or of a library, which the model would take for ours. What other people named stands in `candidates`, which
one function renders (`server/calls/results.py`).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    import sqlite3

_SQLITE_CAUSES: Final = frozenset(
    {
        "attempt to write a readonly database",
        "database disk image is malformed",
        "database is locked",
        "database or disk is full",
        "disk I/O error",
        "file is not a database",
        "out of memory",
        "unable to open database file",
        "the database does not answer",
    }
)
"""Sentences of `sqlite3_errstr`: others may quote a query, and with it somebody's words."""


TIMELOCKED: Final = (
    "WhatsApp does not let this account write first to this person now (463): it limits messages to people"
    " who have not written lately. Write from the phone, or wait until they write."
)
"""The sentence of a send that WhatsApp answers with 463 (`NackCallerReachoutTimelocked` in WhatsApp Web)."""


def cause(error: sqlite3.Error | OSError) -> str:
    """Why the disk or a database failed, in words that hold nothing but the cause."""
    if isinstance(error, OSError):
        return error.strerror or "unknown error"
    return known_cause(str(error))


def known_cause(words: str) -> str:
    """The same, of words that another process says: only those that are known to hold nothing else."""
    return words if words in _SQLITE_CAUSES else "SQLite error"


def disk_failure(error: OSError, otherwise: str) -> tuple[str, str]:
    """Why a file or folder cannot be made or written, and what to do.

    Args:
        error: What the system said.
        otherwise: What to do where the disk is neither full nor read-only.
    """
    match error.errno:
        case errno.ENOSPC:
            return "the disk is full", "Free some space, then try again."
        case errno.EDQUOT:
            return "this user's share of the disk is used up", "Free some space, then try again."
        case errno.EROFS:
            return "its file system is read-only", "Mount it for writing, or use a folder on another one."
        case errno.EACCES | errno.EPERM:
            return "this user lacks the permission", otherwise
        case _:
            return cause(error), otherwise


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that the caller may have meant; in parts, so that no part can be mistaken for another.

    Attributes:
        name: What people call it, as they wrote it; None where the address is enough.
        address: What identifies it: a number, a jid, a path.
        note: Our own words about it.
        stranger: Whether the name is of their own choice: they are not in the owner's address book.
        argument: The argument that names it, which is shown with the address, or else the name, as its value.
    """

    name: str | None = None
    address: str | None = None
    note: str | None = None
    stranger: bool = False
    argument: str | None = None


class WhatsAppError(Exception):
    """Base of every error of this package.

    Args:
        message: What happened, one sentence.
        action: What to do next, one sentence; the class's own `default_action` when left out.
        candidates: What the caller may have meant, best first.
        retry_after: Seconds after which another try makes sense.
    """

    code: ClassVar[str] = "BUSY"
    default_action: ClassVar[str] = "Try again later."

    def __init__(
        self,
        message: str,
        action: str | None = None,
        *,
        candidates: Sequence[Candidate] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.action = action or self.default_action
        self.candidates = tuple(candidates)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.code}: {self.message} {self.action}"

    def to_payload(self) -> dict[str, Any]:
        """The error as JSON: {code, message, action, candidates?, retry_after?}."""
        payload: dict[str, Any] = {"code": self.code, "message": self.message, "action": self.action}
        if self.candidates:
            payload["candidates"] = [asdict(candidate) for candidate in self.candidates]
        if self.retry_after is not None:
            payload["retry_after"] = self.retry_after
        return payload


class InvalidArgument(WhatsAppError):
    """An argument is missing, unknown or invalid."""

    code = "INVALID_ARGUMENT"
    default_action = "Correct the argument and call again."


class NotLinked(WhatsAppError):
    """No phone is linked to this account."""

    code = "NOT_LINKED"
    default_action = "Link a phone with link_device, or run `whatsapp-mcp link`."


class NotConnected(WhatsAppError):
    """There is no connection to WhatsApp; what to do depends on its state."""

    code = "NOT_CONNECTED"
    default_action = "Check connection_status for the state and what to do."


class ChatNotFound(WhatsAppError):
    """No chat matches what was given."""

    code = "CHAT_NOT_FOUND"
    default_action = "Find it with list_chats, or give the phone number with its country code."


class AmbiguousChat(WhatsAppError):
    """More than one chat matches; `candidates` lists them."""

    code = "AMBIGUOUS_CHAT"
    default_action = "Ask the user which one unless it is clear, then call again with its number or jid."


class ContactNotFound(WhatsAppError):
    """No contact matches what was given."""

    code = "CONTACT_NOT_FOUND"
    default_action = "Find it with search_contacts, or give the phone number with its country code."


class NotOnWhatsApp(WhatsAppError):
    """The number has no WhatsApp account."""

    code = "NOT_ON_WHATSAPP"
    default_action = "Check the number and its country code."


class MessageNotFound(WhatsAppError):
    """No message has this ref or id."""

    code = "MESSAGE_NOT_FOUND"
    default_action = "Take the ref from list_messages or search_messages."


class TooLong(WhatsAppError):
    """A text is over WhatsApp's limit, or a file over that of the settings."""

    code = "TOO_LONG"
    default_action = "Shorten it or split it."


class TooLate(WhatsAppError):
    """WhatsApp accepts this change of a message only for a limited time after it was sent."""

    code = "TOO_LATE"
    default_action = "Tell the user."


class FileNotAllowed(WhatsAppError):
    """A path outside the allowed folders, or a URL that must not be fetched."""

    code = "FILE_NOT_ALLOWED"
    default_action = "Put the file into an allowed folder (setting media.roots)."


class MediaUnavailable(WhatsAppError):
    """WhatsApp's servers no longer have the file, or it could not be fetched."""

    code = "MEDIA_UNAVAILABLE"
    default_action = "Ask the sender to send it again."


class Rejected(WhatsAppError):
    """WhatsApp refused; the message carries its code."""

    code = "REJECTED"
    default_action = "Do not repeat it unchanged."


class RateLimited(WhatsAppError):
    """Too many actions in a short time; `retry_after` says when to continue."""

    code = "RATE_LIMITED"
    default_action = "Wait before the next one."


class Denied(WhatsAppError):
    """The policy of this account does not allow it."""

    code = "DENIED"
    default_action = "Tell the user; only the person can change the policy in config.toml."


class ApprovalRequired(WhatsAppError):
    """A person has to approve it first.

    Args:
        message, action: As in `WhatsAppError`.
        approval: The id of the question; empty where nothing is held.
    """

    code = "APPROVAL_REQUIRED"
    default_action = "Ask the user to approve it."

    def __init__(self, message: str, action: str | None = None, *, approval: str = "", **more: Any) -> None:
        super().__init__(message, action, **more)
        self.approval = approval

    def to_payload(self) -> dict[str, Any]:
        """Return `WhatsAppError.to_payload`, with `approval` where something is held."""
        return super().to_payload() | ({"approval": self.approval} if self.approval else {})


class SendUnknown(WhatsAppError):
    """The outcome of an earlier send is unknown."""

    code = "SEND_UNKNOWN"
    default_action = "Do not send it again. Check message_status: a receipt shows that it was sent."


class KeyReused(WhatsAppError):
    """An idempotency key was used for another message, or for one that was deleted since."""

    code = "KEY_REUSED"
    default_action = "Use a new key for a new message."


class Unsupported(WhatsAppError):
    """The installed client library, the settings or this file kind cannot do it."""

    code = "UNSUPPORTED"
    default_action = "Do it on the phone instead."


class DeadlineExceeded(WhatsAppError):
    """No answer within the time limit."""

    code = "TIMEOUT"
    default_action = "Check connection_status, then try again."


class Busy(WhatsAppError):
    """The account's leader is busy, has stopped, or is being replaced."""

    code = "BUSY"
    default_action = "Try again in a few seconds."


def _subclasses(base: type[WhatsAppError]) -> Iterator[type[WhatsAppError]]:
    for sub in base.__subclasses__():
        yield sub
        yield from _subclasses(sub)


def from_payload(payload: Mapping[str, Any]) -> WhatsAppError:
    """The error that `to_payload` described; whatever another version may have written, it is an error.

    An unknown code becomes `Busy` and keeps its sentence; a field of another type is ignored.
    """
    code, action = payload.get("code"), payload.get("action")
    candidates, retry_after = payload.get("candidates"), payload.get("retry_after")
    kind = next((sub for sub in _subclasses(WhatsAppError) if sub.code == code), Busy)
    more: dict[str, Any] = {}
    if kind is ApprovalRequired and isinstance(payload.get("approval"), str):
        more["approval"] = payload["approval"]
    return kind(
        str(payload.get("message", "")),
        action if isinstance(action, str) else None,
        candidates=[_candidate(each) for each in candidates] if isinstance(candidates, list) else (),
        retry_after=retry_after if isinstance(retry_after, int | float) else None,
        **more,
    )


def _candidate(described: Any) -> Candidate:
    """A candidate from its payload; a field of another type is ignored."""
    if not isinstance(described, Mapping):
        return Candidate(str(described))
    name, address, note, argument = (
        value if isinstance(value := described.get(key), str) else None
        for key in ("name", "address", "note", "argument")
    )
    return Candidate(name, address, note, described.get("stranger") is True, argument)
