"""Messages that wait for their moment: what, to whom, when; moved, sent now, cancelled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.text import time_grammar
from whatsapp_mcp.text.zone import local
from whatsapp_mcp.web.formats import chat_path
from whatsapp_mcp.web.site import Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from whatsapp_mcp.models import OutboxEntry, SendRequest

SCHEDULED: Final = "/scheduled"


def scheduled_routes(site: Site) -> list[Route]:
    """The routes of scheduled messages."""
    pages = _Scheduled(site)
    return [site.route(SCHEDULED, pages.show), site.route(SCHEDULED, pages.change, "POST")]


def _purpose(send_id: int) -> str:
    return f"scheduled {send_id}"


@dataclass(frozen=True, slots=True)
class _Shown:
    """A send with the name of its chat, what it says, and its moment as a form holds it."""

    entry: OutboxEntry
    chat: str
    path: str
    words: tuple[str, ...]
    moment: str


@dataclass(frozen=True, slots=True)
class _Scheduled:
    site: Site

    async def show(self, request: Request) -> Response:
        entries = await self.site.opened().archive.scheduled_sends()
        shown = [await self._shown(entry) for entry in entries]
        return self.site.page(request, "scheduled.html", "Scheduled messages", shown=shown, purpose=_purpose)

    async def _shown(self, entry: OutboxEntry) -> _Shown:
        from whatsapp_mcp.device.guard import words_of

        jid = entry.request.chat
        chat = await self.site.opened().archive.chat(jid)
        words = tuple(text for text in words_of(entry.request.content) if text)
        due = local(entry.due_at, self.site.zone) if entry.due_at else None
        moment = f"{due:%Y-%m-%dT%H:%M}" if due else ""
        return _Shown(entry, chat.name if chat else jid, chat_path(jid), words, moment)

    async def change(self, request: Request) -> Response:
        """Cancel, move or send one of them."""
        form = await self.site.form(request)
        entries = await self.site.opened().archive.scheduled_sends()
        entry = next((one for one in entries if str(one.send_id) == form.get("id")), None)
        if entry is None:
            raise InvalidArgument("This message does not wait any more.", "Load the page again.")
        self.site.check(request, form, _purpose(entry.send_id))
        async with self.site.opened().devices.use() as device:
            match form.get("do"):
                case "cancel":
                    await device.cancel_send(entry.request.chat, entry.send_id)
                case "now":
                    await device.send(_moved(entry, None))
                case "move":
                    moment = time_grammar.later(form.get("at", ""), self.site.zone, self.site.now())
                    await device.send(_moved(entry, moment))
                case _:
                    raise InvalidArgument("This form is not valid any more.", "Load the page again.")
        return self.site.see(SCHEDULED)


def _moved(entry: OutboxEntry, at: datetime | None) -> SendRequest:
    return replace(entry.request, at=at, replaces=entry.send_id, wait=0.0)
