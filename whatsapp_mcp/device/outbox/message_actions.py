"""What is done with messages beside sending them: read receipts, files, typing notices."""

from __future__ import annotations

import mimetypes
import re
from base64 import b64decode, b64encode
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import anyio

from whatsapp_mcp.device.outbox.file_messages import forwarded_file
from whatsapp_mcp.errors import InvalidArgument, Rejected
from whatsapp_mcp.models import ContactDetails

if TYPE_CHECKING:
    from whatsapp_mcp.archive import Archive
    from whatsapp_mcp.rpc import Params
    from whatsapp_mcp.settings import AccountFolder

CALL: Final = 20.0
DOWNLOAD: Final = 55.0
_PAGE: Final = 200
"""Messages that are read at once, and receipts in one call."""


class MessageActions:
    """Part of the local device, which brings the archive and the client; see `Device` for what each does."""

    _archive: Archive
    _folder: AccountFolder

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

    async def download(self, ref: int) -> str:
        """See `Device.download`."""
        from whatsapp_mcp.protobufs import E2E

        source = await self._archive.media_source(ref)
        if source.path and await anyio.Path(source.path).is_file():
            return source.path
        message = await self._archive.message(ref)
        proto = forwarded_file(message, source, E2E.ContextInfo())
        path = self._folder.media / file_name(ref, source.file_name, source.mime_type)
        params = {"path": str(path), "message": b64encode(proto.SerializeToString()).decode()}
        await self.call("download", params, deadline=DOWNLOAD)
        await self._archive.record_media_path(ref, str(path))
        return str(path)

    async def contact_details(self, jid: str) -> ContactDetails:
        """See `Device.contact_details`."""
        from whatsapp_mcp.protobufs import Neonize

        about = business = picture = None
        for answer in await self.call("get_user_info", {"jids": [jid]}):
            info = Neonize.GetUserInfoSingleReturnFunction.FromString(b64decode(answer)).UserInfo
            about = info.Status or about
            business = info.VerifiedName.Details.verifiedName or business
        try:
            answer = await self.call("get_profile_picture", {"jid": jid, "preview": False})
        except (Rejected, InvalidArgument):
            answer = None  # hidden or none
        if answer:
            picture = Neonize.ProfilePictureInfo.FromString(b64decode(answer)).URL or None
        return ContactDetails(jid, about, picture, business)

    async def typing(self, chat: str, state: Literal["composing", "recording", "paused"]) -> None:
        """See `Device.typing`."""
        await self.call("send_chat_presence", {"chat": chat, "state": state})


def file_name(ref: int, given: str | None, mime_type: str | None) -> str:
    """A harmless name for the file of a message: its ref, and an extension that says what it is."""
    suffix = Path(given).suffix if given else ""
    if not re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix):
        suffix = mimetypes.guess_extension((mime_type or "").partition(";")[0].strip()) or ".bin"
    return f"{ref}{suffix.lower()}"
