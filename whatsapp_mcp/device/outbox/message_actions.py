"""What is done with messages beside sending them: read receipts, files, typing notices."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import anyio
import anyio.to_thread

from whatsapp_mcp.device.outbox.file_messages import forwarded_file
from whatsapp_mcp.encryption import sealed, unseal
from whatsapp_mcp.errors import InvalidArgument, Rejected
from whatsapp_mcp.media import HEAD_BYTES, format_of
from whatsapp_mcp.media_folder import require_room, safe_name
from whatsapp_mcp.models import ContactDetails
from whatsapp_mcp.private_file import draft_of

if TYPE_CHECKING:
    from whatsapp_mcp.archive import Archive
    from whatsapp_mcp.encryption import Vault
    from whatsapp_mcp.models import MediaSource
    from whatsapp_mcp.rpc import Params
    from whatsapp_mcp.settings import AccountFolder, CurrentSettings

CALL: Final = 20.0
DOWNLOAD: Final = 55.0
_PAGE: Final = 200
"""Messages that are read at once, and receipts in one call."""


class MessageActions:
    """Part of the local device, which brings the archive and the client; see `Device` for what each does."""

    _archive: Archive
    _folder: AccountFolder
    _settings: CurrentSettings

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
        if source.path and await anyio.to_thread.run_sync(_is_there, self._folder.vault, Path(source.path)):
            return source.path
        message = await self._archive.message(ref)
        proto = forwarded_file(message, source, E2E.ContextInfo())
        folder, limits = self._folder.media, self._settings.now().media
        # Its size is what the sender says; the client holds what has arrived to the same limit.
        await anyio.to_thread.run_sync(require_room, folder, source.size or 0, limits)
        params = {
            "message": b64encode(proto.SerializeToString()).decode(),
            "most": limits.max_megabytes * 1_000_000,
        }
        with draft_of(folder / str(ref)) as draft:
            await self.call("download", params | {"path": str(draft)}, deadline=DOWNLOAD)
            path = await anyio.to_thread.run_sync(_name, draft, ref, source)
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


def _is_there(vault: Vault, path: Path) -> bool:
    """Whether a file was downloaded before; a sealed one is made readable, for an hour from its last use."""
    if path.is_file():
        path.touch()
        return True
    key = vault.files_key()
    if key is None or not sealed(path).is_file():
        return False
    unseal(path, key)
    return True


def _name(draft: Path, ref: int, source: MediaSource) -> Path:
    """Give a downloaded file its name, by what is in it."""
    with draft.open("rb") as file:
        found = format_of(file.read(HEAD_BYTES))
    name = safe_name(ref, source.file_name, source.mime_type, found.mime_type if found else None)
    return draft.replace(draft.with_name(name))
