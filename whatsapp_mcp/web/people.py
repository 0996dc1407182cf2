"""People: their names and numbers, who is known, and the groups in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.device.operations import contacts
from whatsapp_mcp.errors import ContactNotFound
from whatsapp_mcp.web.formats import PEOPLE, person_path
from whatsapp_mcp.web.site import Site, Tab

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

SHOWN: Final = 50
"""People on a page."""
_QUERY: Final = 200
"""Characters of what is looked for among names."""
_TABS: Final = (
    Tab("", PEOPLE, "Everybody"),
    Tab("confirmed", f"{PEOPLE}?show=confirmed", "Confirmed by you"),
)


def people_routes(site: Site) -> list[Route]:
    """The routes of people."""
    pages = _People(site)
    return [
        site.route(PEOPLE, pages.list),
        site.route(f"{PEOPLE}/{{jid}}", pages.show),
        site.route(f"{PEOPLE}/{{jid}}/known", pages.know, "POST"),
    ]


def _purpose(jid: str) -> str:
    return f"known {jid}"


@dataclass(frozen=True, slots=True)
class _People:
    site: Site

    async def list(self, request: Request) -> Response:
        given = request.query_params
        query = given.get("q", "")[:_QUERY].strip()
        shown = "confirmed" if given.get("show") == "confirmed" else ""
        archive = self.site.opened().archive
        following = None
        if shown:
            people = await archive.confirmed()
        else:
            page = await archive.contacts(query or None, limit=SHOWN, cursor=given.get("cursor") or None)
            people, following = page.items, page.next_cursor
        return self.site.page(
            request,
            "people.html",
            "People",
            people=[(person, person_path(person.jid)) for person in people],
            tabs=_TABS,
            shown=shown,
            query=query,
            following=following,
        )

    async def show(self, request: Request) -> Response:
        archive = self.site.opened().archive
        person = await archive.contact(request.path_params["jid"])
        if person is None:
            raise ContactNotFound("There is no such person.", "Choose one of the list.")
        confirmed = any(one.jid == person.jid for one in await archive.confirmed())
        return self.site.page(
            request,
            "person.html",
            person.name,
            person=person,
            confirmed=confirmed,
            path=person_path(person.jid),
            alike=await archive.chats_named_alike(person.jid),
            groups=await archive.common_groups(person.jid),
            chat=await archive.chat(person.jid),
            purpose=_purpose(person.jid),
        )

    async def know(self, request: Request) -> Response:
        """Confirm somebody, or take that back."""
        jid: str = request.path_params["jid"]
        form = await self.site.form(request)
        self.site.check(request, form, _purpose(jid))
        async with self.site.opened().devices.use() as device:
            await device.do(contacts.confirm_person, jid, form.get("known") == "yes")
        return self.site.see(person_path(jid))
