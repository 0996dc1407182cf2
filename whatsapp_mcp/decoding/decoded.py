"""Decoded events, as an operation carries them: plain values that another process can read again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import Discriminator, SerializerFunctionWrapHandler, Tag, WrapSerializer

from whatsapp_mcp.decoding.updates import Update


def _type_of(update: Any) -> str:
    return str(update.get("type")) if isinstance(update, dict) else type(update).__name__


def _with_type(update: Any, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
    return {"type": type(update).__name__, **handler(update)}


def _tagged() -> Any:
    union: Any = None
    for kind in get_args(Update):
        one = Annotated[kind, Tag(kind.__name__)]
        union = one if union is None else union | one
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
    """What decoding a row of the archive again says.

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
    """What a sealed add-on says.

    Attributes:
        key: The primary key of its row in `sealed`: the number of a row may differ between two copies.
        updates: What it says.
    """

    key: tuple[str, int, int, int, str]
    updates: tuple[TaggedUpdate, ...]
