"""Pages of pending items: questions that a person answers, and scheduled messages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.device.operations import approvals, sends
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.text import time_grammar
from whatsapp_mcp.text.zone import local
from whatsapp_mcp.web.formats import chat_path
from whatsapp_mcp.web.layout import shown_file
from whatsapp_mcp.web.site import Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from whatsapp_mcp.models import Approval, OutboxEntry, SendRequest

APPROVALS: Final = "/approvals"
_ANSWERS: Final = {"yes": True, "no": False}
"""Decisions by the value of the button."""
SCHEDULED: Final = "/scheduled"


def approval_routes(site: Site) -> list[Route]:
    """The routes of the page."""
    pages = _Approvals(site)
    return [
        site.route(APPROVALS, pages.show),
        site.route(APPROVALS, pages.answer, "POST"),
        site.route(f"{APPROVALS}/{{number}}/pictures/{{index:int}}", pages.picture),
    ]


@dataclass(frozen=True, slots=True)
class _Approvals:
    site: Site

    async def show(self, request: Request) -> Response:
        async with self.site.opened().devices.use() as device:
            questions = await device.do(approvals.approvals)
        shown = [(one, self._minutes(one)) for one in questions]
        # A page that people answer on holds still: else the button under the pointer could become another.
        return self.site.page(
            request, "approvals.html", "Approvals", live=not shown, questions=shown, purpose=_of_question
        )

    async def picture(self, request: Request) -> Response:
        """A picture that an open question is about."""
        number, index = request.path_params["number"], request.path_params["index"]
        opened = self.site.opened()
        async with opened.devices.use() as device:
            questions = await device.do(approvals.approvals)
        pictures = [
            one.pictures[index] for one in questions if one.id == number and index < len(one.pictures)
        ]
        return await shown_file(opened.archive.folder.media, *pictures)

    async def answer(self, request: Request) -> Response:
        """Take the answer to one question."""
        form = await self.site.form(request)
        number, answer = form.get("id", ""), form.get("answer", "")
        self.site.check(request, form, _of_question(number))
        if answer not in _ANSWERS:
            raise InvalidArgument("This form is not valid any more.", "Load the page again.")
        async with self.site.opened().devices.use() as device:
            await device.do(approvals.decide, number, _ANSWERS[answer], "page")
        return self.site.see(APPROVALS)

    def _minutes(self, approval: Approval) -> int:
        """Return the number of minutes left to decide."""
        return max(0, int((approval.expires_at - self.site.now()).total_seconds() // 60))


def _of_question(number: str) -> str:
    return f"approval {number}"


def scheduled_routes(site: Site) -> list[Route]:
    """The routes of scheduled messages."""
    pages = _Scheduled(site)
    return [site.route(SCHEDULED, pages.show), site.route(SCHEDULED, pages.change, "POST")]


def _of_send(send_id: int) -> str:
    return f"scheduled {send_id}"


@dataclass(frozen=True, slots=True)
class _PendingSend:
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
        return self.site.page(request, "scheduled.html", "Scheduled messages", shown=shown, purpose=_of_send)

    async def _shown(self, entry: OutboxEntry) -> _PendingSend:
        from whatsapp_mcp.device.guard import words_of

        jid = entry.request.chat
        chat = await self.site.opened().archive.chat(jid)
        words = tuple(text for text in words_of(entry.request.content) if text)
        due = local(entry.due_at, self.site.zone) if entry.due_at else None
        moment = f"{due:%Y-%m-%dT%H:%M}" if due else ""
        return _PendingSend(entry, chat.name if chat else jid, chat_path(jid), words, moment)

    async def change(self, request: Request) -> Response:
        """Cancel, move or send one of them."""
        form = await self.site.form(request)
        entries = await self.site.opened().archive.scheduled_sends()
        entry = next((one for one in entries if str(one.send_id) == form.get("id")), None)
        if entry is None:
            raise InvalidArgument("This message does not wait any more.", "Load the page again.")
        self.site.check(request, form, _of_send(entry.send_id))
        async with self.site.opened().devices.use() as device:
            match form.get("do"):
                case "cancel":
                    await device.do(sends.cancel_send, entry.request.chat, entry.send_id)
                case "now":
                    await device.do(sends.send, _moved(entry, None))
                case "move":
                    moment = time_grammar.later(form.get("at", ""), self.site.zone, self.site.now())
                    await device.do(sends.send, _moved(entry, moment))
                case _:
                    raise InvalidArgument("This form is not valid any more.", "Load the page again.")
        return self.site.see(SCHEDULED)


def _moved(entry: OutboxEntry, due_at: datetime | None) -> SendRequest:
    return replace(entry.request, at=due_at, replaces=entry.send_id, wait=0.0)
