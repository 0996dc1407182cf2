"""What is done with messages beside sending them: read receipts, typing notices; and what people show."""

from __future__ import annotations

from base64 import b64decode
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, Literal

from whatsapp_mcp.errors import InvalidArgument, Rejected
from whatsapp_mcp.models import ContactDetails
from whatsapp_mcp.protobufs.bounded import parsed

if TYPE_CHECKING:
    from whatsapp_mcp.archive import Archive
    from whatsapp_mcp.processes.rpc import Params

CALL: Final = 20.0
_PAGE: Final = 200
"""Messages that are read at once, and receipts in one call."""


class MessageActions:
    """Part of the local device, which brings the archive and the client; see `Device` for what each does."""

    _archive: Archive

    async def call(self, method: str, params: Params | None = None, *, deadline: float = CALL) -> Any:
        """Call the current client; see `LocalDevice.call`."""
        raise NotImplementedError

    async def mark_read(self, chat: str) -> int:
        """See `Device.mark_read`."""
        from whatsapp_mcp.models import MessageFilter

        where = MessageFilter(chat=chat, unreceipted=True)
        by_sender: dict[str, list[str]] = defaultdict(list)
        count, newest, cursor = 0, None, None
        while count == 0 or cursor is not None:
            page = await self._archive.messages(where, oldest_first=True, limit=_PAGE, cursor=cursor)
            if not page.items:
                break
            for message in page.items:
                by_sender[message.sender].append(message.message_id)
            count, newest, cursor = count + len(page.items), page.items[-1].ref, page.next_cursor
        for sender, ids in by_sender.items():
            for first in range(0, len(ids), _PAGE):
                part = {"ids": ids[first : first + _PAGE], "sender": sender}
                await self.call("mark_read", {**part, "chat": chat, "receipt": "read"})
        if newest is not None:
            await self._archive.record_read(chat, newest)
        return count

    async def contact_details(self, jid: str) -> ContactDetails:
        """See `Device.contact_details`."""
        from whatsapp_mcp.protobufs import Neonize

        about = business = picture = None
        for answer in await self.call("get_user_info", {"jids": [jid]}):
            info = parsed(Neonize.GetUserInfoSingleReturnFunction, b64decode(answer)).UserInfo
            about = info.Status or about
            business = info.VerifiedName.Details.verifiedName or business
        try:
            answer = await self.call("get_profile_picture", {"jid": jid, "preview": False})
        except (Rejected, InvalidArgument):
            answer = None  # hidden or none
        if answer:
            picture = parsed(Neonize.ProfilePictureInfo, b64decode(answer)).URL or None
        return ContactDetails(jid, about, picture, business)

    async def typing(self, chat: str, state: Literal["composing", "recording", "paused"]) -> None:
        """See `Device.typing`."""
        await self.call("send_chat_presence", {"chat": chat, "state": state})
