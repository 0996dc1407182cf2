"""Chats, their messages, and the page of one message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from whatsapp_mcp.errors import ChatNotFound, InvalidArgument, MessageNotFound, WhatsAppError
from whatsapp_mcp.models import ChatKind, MessageFilter
from whatsapp_mcp.web.archive.bubbles import bubbles, preview
from whatsapp_mcp.web.formats import CHATS, chat_path
from whatsapp_mcp.web.site import Site, Tab

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.models import Chat, Message

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
        """Where a message stands in its chat."""
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
        found = next(at for at, message in enumerate(messages) if message.ref == ref)
        has_oldest = name != "after" and found < before
        has_newest = name != "before" and len(messages) - found - 1 < after
        if name != "at":
            del messages[found]
        return _Part(messages, has_oldest, has_newest, page.notes)
    newest = await archive.messages(MessageFilter(chat=chat.jid), limit=MESSAGES_SHOWN)
    return _Part(list(newest.items[::-1]), newest.next_cursor is None, True, newest.notes)
