"""The page on which a person answers what waits for their approval.

A signed-in browser alone gets here, and the guard takes a form only from a page of this server. Each form
holds a number of its own besides, made for its question and its session.
"""

from __future__ import annotations

import hmac
import html
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import parse_qs

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from whatsapp_mcp.errors import InvalidArgument, WhatsAppError
from whatsapp_mcp.policy import visible
from whatsapp_mcp.web.layout import HEADERS, HOME, error_page, page

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from whatsapp_mcp.device.operations import Devices
    from whatsapp_mcp.models import Approval

APPROVALS: Final = "/approvals"
_ANSWERS: Final = {"yes": True, "no": False}


class PersonsDevices(Protocol):
    """Lends the account's device to the person at the page."""

    def devices(self) -> Devices | None:
        """The accessor, once the server is up."""
        ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


def approval_routes(
    source: PersonsDevices, cookie: str, now: Callable[[], datetime] = _utc_now
) -> list[Route]:
    """The routes of the page.

    Args:
        source: Where the device is found.
        cookie: The name of the cookie of a session.
        now: The wall clock.
    """
    pages = _Approvals(source, cookie, now)
    return [
        Route(APPROVALS, pages.show, methods=["GET"]),
        Route(APPROVALS, pages.answer, methods=["POST"]),
    ]


async def open_questions(source: PersonsDevices) -> tuple[Approval, ...]:
    """What waits for the person.

    Raises:
        WhatsAppError: The leader cannot be asked.
    """
    devices = source.devices()
    if devices is None:
        return ()
    async with devices.use() as device:
        return await device.approvals()


@dataclass(frozen=True, slots=True)
class _Approvals:
    source: PersonsDevices
    cookie: str
    now: Callable[[], datetime]
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    async def show(self, request: Request) -> Response:
        try:
            questions = await open_questions(self.source)
        except WhatsAppError as error:
            return error_page(error)
        shown = "".join(self._section(one, request) for one in questions)
        back = f'<p><a href="{HOME}">Connection</a></p>'
        # A page that people answer on holds still: else the button under the pointer could become another.
        return page("Approvals", (shown or "<p>Nothing waits.</p>") + back, reload=not shown)

    async def answer(self, request: Request) -> Response:
        """Take the answer to one question."""
        try:
            fields = parse_qs((await request.body()).decode(), strict_parsing=True, max_num_fields=3)
        except ValueError:
            fields = {}
        number, token, answer = (fields.get(name, [""])[0] for name in ("id", "token", "answer"))
        devices = self.source.devices()
        try:
            expected = self._token(number, request).encode()
            if answer not in _ANSWERS or not hmac.compare_digest(token.encode(), expected):
                raise InvalidArgument("This form is not valid any more.", "Load the page again.")
            if devices is not None:
                async with devices.use() as device:
                    await device.decide(number, _ANSWERS[answer], "page")
        except WhatsAppError as error:
            return error_page(error)
        return RedirectResponse(APPROVALS, 303, HEADERS)

    def _token(self, number: str, request: Request) -> str:
        said = f"{number} {request.cookies.get(self.cookie, '')}"
        return hmac.digest(self.key, said.encode(), "sha256").hex()

    def _section(self, approval: Approval, request: Request) -> str:
        minutes = max(0, int((approval.expires_at - self.now()).total_seconds() // 60))
        lines = "".join(f'<p dir="auto">{_text(line)}</p>' for line in approval.question)
        client = f" by {_text(approval.client)}" if approval.client else ""
        return (
            f"<section><p><small>{_text(approval.tool)}, asked for{client}; {_text(approval.id)}</small></p>"
            f"{lines}<p><small>You are asked because {_text(approval.reason)}. "
            f"{minutes} minutes are left.</small></p>"
            f'<form method="post" action="{APPROVALS}">'
            f'<input type="hidden" name="id" value="{_text(approval.id)}">'
            f'<input type="hidden" name="token" value="{self._token(approval.id, request)}">'
            '<button name="answer" value="yes">Yes, do it</button>'
            '<button name="answer" value="no">No</button></form></section>'
        )


def _text(words: str) -> str:
    return html.escape(visible(words))
