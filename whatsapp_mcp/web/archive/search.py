"""Search in all messages and what was read in their files, as agents search, with nothing withheld."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlencode

from whatsapp_mcp.models import EVERYTHING, Page
from whatsapp_mcp.web.archive.bubbles import bubbles
from whatsapp_mcp.web.formats import chat_path
from whatsapp_mcp.web.site import Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from whatsapp_mcp.models import Chat, Message

SEARCH: Final = "/search"
SHOWN: Final = 30
_CLOSEST: Final = 10
_CHATS: Final = 5
_LONGEST: Final = 1_000
"""Characters of a query."""
Order = Literal["newest", "relevance"]


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
        """What has all the words; where nothing has, what comes closest, and True."""
        archive, zone, now = self.site.opened().archive, self.site.zone, self.site.now()
        mode = "substring" if inside else "words"
        page = await archive.search(
            query, EVERYTHING, order=order, mode=mode, zone=zone, now=now, limit=SHOWN, cursor=cursor
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
