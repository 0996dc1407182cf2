"""The page on which a person answers what waits for their approval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.web.layout import shown_file
from whatsapp_mcp.web.site import Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from whatsapp_mcp.models import Approval

APPROVALS: Final = "/approvals"
_ANSWERS: Final = {"yes": True, "no": False}


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
            questions = await device.approvals()
        shown = [(one, self._minutes(one)) for one in questions]
        # A page that people answer on holds still: else the button under the pointer could become another.
        return self.site.page(
            request, "approvals.html", "Approvals", live=not shown, questions=shown, purpose=_purpose
        )

    async def picture(self, request: Request) -> Response:
        """A picture that an open question is about."""
        number, index = request.path_params["number"], request.path_params["index"]
        opened = self.site.opened()
        async with opened.devices.use() as device:
            questions = await device.approvals()
        found = [one.pictures[index] for one in questions if one.id == number and index < len(one.pictures)]
        return await shown_file(opened.archive.folder.media, *found)

    async def answer(self, request: Request) -> Response:
        """Take the answer to one question."""
        form = await self.site.form(request)
        number, answer = form.get("id", ""), form.get("answer", "")
        self.site.check(request, form, _purpose(number))
        if answer not in _ANSWERS:
            raise InvalidArgument("This form is not valid any more.", "Load the page again.")
        async with self.site.opened().devices.use() as device:
            await device.decide(number, _ANSWERS[answer], "page")
        return self.site.see(APPROVALS)

    def _minutes(self, approval: Approval) -> int:
        """How many are left to decide."""
        return max(0, int((approval.expires_at - self.site.now()).total_seconds() // 60))


def _purpose(number: str) -> str:
    return f"approval {number}"
