"""The archive as a person reads it: chats, the page of one message, search, and the files of messages.

Search finds what agents find, with nothing withheld. A browser gets files as it may have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from urllib.parse import urlencode

import anyio.to_thread
from starlette.responses import FileResponse, Response

from whatsapp_mcp.device.operations import files
from whatsapp_mcp.errors import (
    ChatNotFound,
    InvalidArgument,
    MediaUnavailable,
    MessageNotFound,
    WhatsAppError,
)
from whatsapp_mcp.files.media_folder import recorded_file, safe_name
from whatsapp_mcp.media import HEAD_BYTES, format_of
from whatsapp_mcp.models import EVERYTHING, ChatKind, MessageFilter, Page
from whatsapp_mcp.web.bubbles import bubbles, preview
from whatsapp_mcp.web.formats import CHATS, chat_path
from whatsapp_mcp.web.layout import DOWNLOAD, FILE_HEADERS, is_below, type_of
from whatsapp_mcp.web.site import Site, Tab

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.models import Chat, MediaSource, Message
    from whatsapp_mcp.web import Opened

CHATS_SHOWN: Final = 40
MESSAGES_SHOWN: Final = 40
_QUERY: Final = 200
"""Characters of what is looked for among names."""
_TABS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("", "All", {}),
    ("unread", "Unread", {"unread": True}),
    ("unanswered", "They wrote last", {"unanswered": "me"}),
    ("people", "People", {"kind": ChatKind.DIRECT}),
    ("groups", "Groups", {"kind": ChatKind.GROUP}),
    ("channels", "Channels", {"kind": ChatKind.CHANNEL}),
    ("archived", "Archived", {"archived": True}),
)
SEARCH: Final = "/search"
HITS_SHOWN: Final = 30
"""Messages on a page of hits."""
_CLOSEST: Final = 10
"""Messages with some of the words, where none has all of them."""
_CHATS: Final = 5
"""Chats with such a name that stand beside the hits."""
_LONGEST: Final = 1_000
"""Characters of a query."""
Order = Literal["newest", "relevance"]


def chat_routes(site: Site) -> list[Route]:
    """The routes of chats and messages."""
    pages = _Chats(site)
    return [
        site.route(CHATS, pages.chats),
        site.route(f"{CHATS}/{{jid}}", pages.chat),
        site.route("/message/{ref:int}", pages.message),
        site.route("/message/{ref:int}/there", pages.there),
    ]


@dataclass(frozen=True, slots=True)
class _Chats:
    site: Site

    async def chats(self, request: Request) -> Response:
        given = request.query_params
        query, shown = given.get("q", "")[:_QUERY].strip(), given.get("show", "")
        filters = next((filters for name, _, filters in _TABS if name == shown), {})
        archive = self.site.opened().archive
        page = await archive.chats(
            query=query or None, limit=CHATS_SHOWN, cursor=given.get("cursor") or None, **filters
        )
        rows = [(chat, chat_path(chat.jid), preview(chat.last_message)) for chat in page.items]
        tabs = [Tab(name, f"{CHATS}?show={name}" if name else CHATS, label) for name, label, _ in _TABS]
        return self.site.page(
            request,
            "archive/chats.html",
            "Chats",
            rows=rows,
            tabs=tabs,
            shown=shown,
            query=query,
            following=page.next_cursor,
        )

    async def chat(self, request: Request) -> Response:
        archive = self.site.opened().archive
        chat = await archive.chat(request.path_params["jid"])
        if chat is None:
            raise ChatNotFound("There is no such chat.", "Choose one of the list.")
        part = await _part(archive, chat, request)
        messages = part.messages
        zone = self.site.zone
        return self.site.page(
            request,
            "archive/chat.html",
            chat.name,
            chat=chat,
            path=chat_path(chat.jid),
            bubbles=list(bubbles(messages, zone)),
            marked=_ref(request, "at"),
            # What comes later is read from its top; a place in the chat is found by its fragment.
            opens_at=messages[-1].ref if messages and not {"at", "after"} & {*request.query_params} else None,
            earlier=messages[0].ref if messages and not part.has_oldest else None,
            later=messages[-1].ref if messages and not part.has_newest else None,
            notes=part.notes,
            in_group=chat.kind is not ChatKind.DIRECT,
        )

    async def message(self, request: Request) -> Response:
        """All that is known of one message."""
        ref: int = request.path_params["ref"]
        archive = self.site.opened().archive
        message = await archive.message(ref)
        reading = await archive.reading(ref) if message.reading else None
        report = None
        if message.from_me:
            try:
                report = await archive.send_report(ref, limit=200)
            except WhatsAppError:
                report = None
        return self.site.page(
            request,
            "archive/message.html",
            f"Message #{ref}",
            path=chat_path(message.chat, ref),
            bubbles=list(bubbles([message], self.site.zone, whole=True)),
            message=message,
            reading=reading,
            report=report,
            in_group=True,
            marked=None,
        )

    async def there(self, request: Request) -> Response:
        """Redirect to a message in its chat."""
        message = await self.site.opened().archive.message(request.path_params["ref"])
        return self.site.see(chat_path(message.chat, message.ref))


def _ref(request: Request, name: str) -> int | None:
    text = request.query_params.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise InvalidArgument("That is not the number of a message.", "Follow a link of the page.")
    return int(text)


class _Part(NamedTuple):
    """Messages of a chat, oldest first, and notes on gaps among them."""

    messages: list[Message]
    has_oldest: bool
    has_newest: bool
    notes: tuple[str, ...]


async def _part(archive: ReadingArchive, chat: Chat, request: Request) -> _Part:
    """The messages that are asked for; the newest if none are."""
    around = {
        "at": (MESSAGES_SHOWN // 2, MESSAGES_SHOWN // 2),
        "before": (MESSAGES_SHOWN, 0),
        "after": (0, MESSAGES_SHOWN),
    }
    for name, (before, after) in around.items():
        ref = _ref(request, name)
        if ref is None:
            continue
        page = await archive.context(ref, before=before, after=after)
        messages = list(page.items)
        if any(message.chat != chat.jid for message in messages):
            raise MessageNotFound("There is no such message in this chat.", "Follow a link of the page.")
        position = next(at for at, message in enumerate(messages) if message.ref == ref)
        has_oldest = name != "after" and position < before
        has_newest = name != "before" and len(messages) - position - 1 < after
        if name != "at":
            del messages[position]
        return _Part(messages, has_oldest, has_newest, page.notes)
    newest = await archive.messages(MessageFilter(chat=chat.jid), limit=MESSAGES_SHOWN)
    return _Part(list(newest.items[::-1]), newest.next_cursor is None, True, newest.notes)


def search_routes(site: Site) -> list[Route]:
    """The route of the search."""
    return [site.route(SEARCH, _Search(site).show)]


@dataclass(frozen=True, slots=True)
class _Search:
    site: Site

    async def show(self, request: Request) -> Response:
        given = request.query_params
        query = given.get("q", "")[:_LONGEST].strip()
        order: Order = "relevance" if given.get("order") == "relevance" else "newest"
        inside = given.get("inside") == "yes"
        page: Page[Message] = Page(())
        chats: tuple[Chat, ...] = ()
        closest = False
        if query:
            page, closest = await self._found(query, order, given.get("cursor") or None, inside=inside)
            if "cursor" not in given:
                chats = (await self.site.opened().archive.chats(query=query[:100], limit=_CHATS)).items
        same = {"q": query, "order": order, **({"inside": "yes"} if inside else {})}
        return self.site.page(
            request,
            "archive/search.html",
            "Search",
            query=query,
            order=order,
            inside=inside,
            bubbles=list(bubbles(page.items, self.site.zone)),
            closest=closest,
            notes=page.notes,
            chats=[(chat, chat_path(chat.jid)) for chat in chats],
            place=chat_path,
            following=f"{SEARCH}?{urlencode({**same, 'cursor': page.next_cursor})}"
            if page.next_cursor
            else None,
        )

    async def _found(
        self, query: str, order: Order, cursor: str | None, *, inside: bool
    ) -> tuple[Page[Message], bool]:
        """Return the messages with all the words; if there are none, the closest messages and True."""
        archive, zone, now = self.site.opened().archive, self.site.zone, self.site.now()
        mode = "substring" if inside else "words"
        page = await archive.search(
            query, EVERYTHING, order=order, mode=mode, zone=zone, now=now, limit=HITS_SHOWN, cursor=cursor
        )
        if page.items or cursor or inside:
            return page, False
        for looser in ("any", "anybody"):
            closest = await archive.search(
                query, EVERYTHING, order="relevance", mode=looser, zone=zone, now=now, limit=_CLOSEST
            )
            if closest.items:
                return closest, True
        return page, False


def file_routes(site: Site) -> list[Route]:
    """The routes of files."""
    pages = _Files(site)
    return [
        site.route("/media/{ref:int}", pages.file),
        site.route("/media/{ref:int}/thumbnail", pages.thumbnail),
        site.route("/media/{ref:int}/fetch", pages.fetch, "POST"),
    ]


def fetch_purpose(ref: int) -> str:
    """The purpose of the form that fetches the file of a message."""
    return f"fetch {ref}"


@dataclass(frozen=True, slots=True)
class _Files:
    site: Site

    async def file(self, request: Request) -> Response:
        """The file of a message, if it is here."""
        opened = self.site.opened()
        source = await opened.archive.media_source(request.path_params["ref"])
        path = await _path(opened, source)
        kind = await anyio.to_thread.run_sync(type_of, path)
        name = safe_name(source.ref, source.file_name, source.mime_type, None if kind == DOWNLOAD else kind)
        way = "attachment" if kind == DOWNLOAD else "inline"
        return FileResponse(path, 200, FILE_HEADERS, kind, filename=name, content_disposition_type=way)

    async def thumbnail(self, request: Request) -> Response:
        """The small picture that came with a message."""
        picture = await self.site.opened().archive.thumbnail(request.path_params["ref"])
        file_format = format_of(picture[:HEAD_BYTES]) if picture else None
        if picture is None or file_format is None or not file_format.is_picture:
            raise MediaUnavailable("This message has no thumbnail.", "Fetch the file.")
        return Response(picture, 200, FILE_HEADERS, file_format.mime_type)

    async def fetch(self, request: Request) -> Response:
        """Fetch a file that is not here yet, then show its message."""
        ref: int = request.path_params["ref"]
        self.site.check(request, await self.site.form(request), fetch_purpose(ref))
        async with self.site.opened().devices.use() as device:
            await device.do(files.download, ref)
        return self.site.see(f"/message/{ref}")


async def _path(opened: Opened, source: MediaSource) -> Path:
    """Return the path of a file that was fetched before.

    Raises:
        MediaUnavailable: It was not.
    """
    media = opened.archive.folder.media
    path = recorded_file(media, source.path or "")
    # The path comes from a database: nothing outside of the media folder is served, whatever it says.
    if source.path is not None and await anyio.to_thread.run_sync(is_below, path, media):
        if await anyio.to_thread.run_sync(path.is_file):
            return path
        # The leader opens files that are sealed, and fetches again what was dropped.
        async with opened.devices.use() as device:
            return Path(await device.do(files.download, source.ref))
    raise MediaUnavailable("The file of this message is not here.", "Fetch it on the page of the message.")
