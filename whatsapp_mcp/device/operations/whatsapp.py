"""`WhatsApp`: the part of the leader's device that asks WhatsApp through the client, for all topics."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from whatsapp_mcp.archive import recording
from whatsapp_mcp.errors import NotOnWhatsApp, Rejected, WhatsAppError
from whatsapp_mcp.jid import Jid

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectSendStream
    from google.protobuf.message import Message

    from whatsapp_mcp.archive import Archive
    from whatsapp_mcp.models import Presence
    from whatsapp_mcp.processes.rpc import Params

M = TypeVar("M", bound="Message")


@dataclass(frozen=True, slots=True)
class WhatsApp:
    """Access to WhatsApp through the client, and to the archive, which learns of the answers.

    Attributes:
        archive: For writing.
        call: Calls the current client: a method of `client/protocol.py` and its parameters. It raises
            `NotConnected`, `DeadlineExceeded` and what the client answered; so do all operations that use it.
        presences: Where to whoever waits for somebody's presence is told of all that come.
    """

    archive: Archive
    call: Callable[..., Awaitable[Any]]
    presences: list[MemoryObjectSendStream[Presence]] = field(
        default_factory=list["MemoryObjectSendStream[Presence]"]
    )

    async def visible(self, jid: str) -> str:
        """The phone number of a LID where the library knows it; the archive learns the pair."""
        if not Jid.parse(jid).is_lid:
            return jid
        known = await self.archive.contact(jid)
        if known is not None and known.number is not None:
            return known.jid
        try:
            number = str(await self.call("get_pn_from_lid", {"jid": jid}))
        except (Rejected, NotOnWhatsApp):
            return jid
        # The library answers an empty jid for a LID whose number it does not know.
        if "@" not in number:
            return jid
        await self.archive.write(recording.record_identities, [(number, jid)])
        return number


async def partly(
    call: Callable[[str, Params], Awaitable[Any]], steps: Iterable[tuple[str, str, dict[str, Any]]]
) -> None:
    """Make (name, method, parameters) calls one after the other.

    Raises:
        WhatsAppError: The first that failed; the message says what was changed before.
    """
    done: list[str] = []
    for name, method, params in steps:
        try:
            await call(method, params)
        except WhatsAppError as error:
            if not done:
                raise
            message = f"{error.message} Changed before that: {', '.join(done)}."
            raise type(error)(message, error.action, retry_after=error.retry_after) from error
        done.append(name)


def read(kind: type[M], answer: str) -> M:
    """A protobuf that the client answered in base64."""
    from whatsapp_mcp.protobufs.bounded import parsed

    return parsed(kind, b64decode(answer))


def jid_text(jid: Any) -> str:
    """The text of the library's jid; empty when it is empty."""
    return f"{jid.User}@{jid.Server}" if jid.User else ""


def moment(seconds: float) -> datetime | None:
    """The time that many seconds since 1970; None for the library's "never"."""
    return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
