"""From raw events of the client library to updates, and both as an operation carries them.

Pure: no database, no clock. `decode_event` raises one of `UNDECODABLE` for what this version cannot read. An
operation carries plain values that another process can read again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

from google.protobuf.message import DecodeError
from google.protobuf.message import Message as Proto
from pydantic import Discriminator, SerializerFunctionWrapHandler, Tag, WrapSerializer

from whatsapp_mcp import protobufs
from whatsapp_mcp.decoding import groups, history, live
from whatsapp_mcp.decoding.content import message_parts
from whatsapp_mcp.decoding.limits import MAX_THUMBNAIL, legibly
from whatsapp_mcp.decoding.outgoing import SENT_CODE
from whatsapp_mcp.decoding.updates import Update
from whatsapp_mcp.models import JournalEvent
from whatsapp_mcp.protobufs.bounded import OverBounds, parsed
from whatsapp_mcp.storage import TOO_LARGE

UNDECODABLE: Final = (DecodeError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""Exceptions that decoding a broken or unknown event may raise."""
_MESSAGE: Final = 17
"""`EventCode.MESSAGE`: the room of the client, which has the names of these numbers, is above this one."""
_DECODERS: Final[dict[int, tuple[str, Callable[[Any, int], list[Update]]]]] = {
    2: ("PairStatus", live.pair_status),
    _MESSAGE: ("Message", live.message),
    18: ("Receipt", live.receipt),
    21: ("JoinedGroup", groups.joined_group),
    22: ("GroupInfoEvent", groups.group_info),
    32: ("NewsletterJoin", groups.newsletter_join),
    33: ("NewsletterLeave", groups.newsletter_leave),
    36: ("CallOffer", live.offer),
    37: ("CallAccept", live.accept),
    40: ("CallOfferNotice", live.offer_notice),
    42: ("CallTerminate", live.terminate),
    44: ("UndecryptableMessage", live.undecryptable),
}
"""Code of the event (`client.protocol.EventCode`) to its protobuf and decoder.

Beside these there is history, which is never parsed as a whole; others say nothing for us.
"""


def _type_of(update: Any) -> str:
    return str(update.get("type")) if isinstance(update, dict) else type(update).__name__


def _with_type(update: Any, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
    return {"type": type(update).__name__, **handler(update)}


def _tagged() -> Any:
    union: Any = None
    for kind in get_args(Update):
        member = Annotated[kind, Tag(kind.__name__)]
        union = member if union is None else union | member
    return Annotated[union, Discriminator(_type_of), WrapSerializer(_with_type)]


if TYPE_CHECKING:
    TaggedUpdate = Update
else:
    TaggedUpdate = _tagged()
    """`Update` for operations: as JSON each update names its type, since some differ in nothing else."""


@dataclass(frozen=True, slots=True)
class DecodedEvent:
    """An event of the journal and what it says.

    Attributes:
        seq: Its number in the journal.
        received_at: Milliseconds since 1970.
        code: Number of the event.
        payload: Its protobuf, which is kept when the updates turn out not to fit the archive.
        updates: What it says, decoded.
        error: Why it could not be decoded; then there are no updates.
    """

    seq: int
    received_at: int
    code: int
    payload: bytes
    updates: tuple[TaggedUpdate, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Recovered:
    """The result of decoding a row of the archive again.

    Attributes:
        row: Its number: of an event that could not be decoded, or a message of unknown kind.
        updates: What it says.
        received_at: Milliseconds since 1970; 0 where that is not known.
    """

    row: int
    updates: tuple[TaggedUpdate, ...]
    received_at: int = 0


@dataclass(frozen=True, slots=True)
class OpenedAddon:
    """The result of opening a sealed add-on.

    Attributes:
        key: The primary key of its row in `sealed`: the number of a row may differ between two copies.
        updates: What it says.
    """

    key: tuple[str, int, int, int, str]
    updates: tuple[TaggedUpdate, ...]


def decode_event(code: int, payload: bytes, received_at: int) -> list[Update]:
    """The updates in an event.

    Args:
        code: Number of the event.
        payload: Its protobuf, of the `neonize` package.
        received_at: Milliseconds since 1970; used where the event has no time.
    """
    received_seconds = received_at // 1000
    if code == history.HISTORY_CODE:
        return history.history_sync(payload, received_seconds)
    if code not in _DECODERS:
        return []
    kind, decoder = _DECODERS[code]
    return legibly(
        parsed(getattr(protobufs.Neonize, kind), payload), lambda event: decoder(event, received_seconds)
    )


def original_of(code: int, payload: bytes) -> Proto | None:
    """The `E2E.Message` within a message as it is kept in its raw form; None where it cannot be read.

    Args:
        code: Number of the event that it came with.
        payload: Its protobuf: an event, one `WebMessageInfo` of a history sync, or what was sent from here.
    """
    try:
        if code == history.HISTORY_CODE:
            return parsed(protobufs.Web.WebMessageInfo, payload).message
        if code == _MESSAGE:
            return parsed(protobufs.Neonize.Message, payload).Message
        return parsed(protobufs.E2E.Message, payload) if code == SENT_CODE else None
    except UNDECODABLE:
        return None


def thumbnail_of(code: int, payload: bytes) -> bytes | None:
    """The small JPEG within a message as it is kept in its raw form; None where it has none."""
    message = original_of(code, payload)
    if message is None:
        return None
    try:
        parts = message_parts(message).found
        thumbnails = (getattr(part, "JPEGThumbnail", b"") for _, part in parts)
        return next((one for one in thumbnails if one and len(one) <= MAX_THUMBNAIL), None)
    except UNDECODABLE:
        return None


def decode_events(events: Sequence[JournalEvent], after: int) -> tuple[DecodedEvent, ...]:
    """Decode the events with a number after `after`; what cannot be decoded says why."""
    return tuple(_decoded(event) for event in events if event.seq > after)


def _decoded(event: JournalEvent) -> DecodedEvent:
    if event.code == TOO_LARGE:
        return DecodedEvent(
            event.seq, event.received_at, event.code, event.payload, error=OverBounds.__name__
        )
    try:
        updates, error = tuple(decode_event(event.code, event.payload, event.received_at)), None
    except UNDECODABLE as found:
        updates, error = (), type(found).__name__
    return DecodedEvent(event.seq, event.received_at, event.code, event.payload, updates, error)
