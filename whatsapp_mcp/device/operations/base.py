"""What every topic needs: the client's answers, read."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from whatsapp_mcp.errors import NotOnWhatsApp, Rejected, WhatsAppError
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs.bounded import parsed

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from whatsapp_mcp.archive import Archive
    from whatsapp_mcp.processes.rpc import Params

CALL: Final = 20.0
"""Seconds that WhatsApp has for an answer."""
M = TypeVar("M", bound="Message")


class Topic:
    """Base of the mixins; `LocalDevice` brings the archive and the client."""

    _archive: Archive

    async def call(self, method: str, params: Params | None = None, *, deadline: float = CALL) -> Any:
        """Call the current client; see `LocalDevice.call`."""
        raise NotImplementedError

    async def visible(self, jid: str) -> str:
        """The phone number of a LID where the library knows it; the archive learns the pair."""
        if not Jid.parse(jid).is_lid:
            return jid
        known = await self._archive.contact(jid)
        if known is not None and known.number is not None:
            return known.jid
        try:
            number = str(await self.call("get_pn_from_lid", {"jid": jid}))
        except (Rejected, NotOnWhatsApp):
            return jid
        if "@" not in number:
            return jid
        await self._archive.record_identities([(number, jid)])
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
    return parsed(kind, b64decode(answer))


def jid_text(jid: Any) -> str:
    """The text of the library's jid; empty when it is empty."""
    return f"{jid.User}@{jid.Server}" if jid.User else ""


def moment(seconds: float) -> datetime | None:
    """The time that many seconds since 1970; None for the library's "never"."""
    return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
