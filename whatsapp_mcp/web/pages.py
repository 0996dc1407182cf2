"""`/healthz`, `/readyz`, and the pages with the connection's state and, while linking, the QR code.

Pages hold no script and nothing from outside; while linking the page reloads itself.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import ConnectionState, ConnectionStatus, LinkState
from whatsapp_mcp.web.approvals import APPROVALS, approval_routes, open_questions
from whatsapp_mcp.web.layout import HEADERS, HOME, error_page, page

if TYPE_CHECKING:
    from starlette.requests import Request

    from whatsapp_mcp.device.operations import Devices

LINK: Final = "/link"
LOGIN: Final = "/login"
"""Where the URL leads that `whatsapp-mcp page` prints; the only page that needs no session."""
HOW_TO_SIGN_IN: Final = (
    "These pages need a sign-in: run `whatsapp-mcp page` in a terminal on the computer that the server runs "
    "on, and open the URL that it prints. Each URL is valid once, for ten minutes."
)
_RISK: Final = "This is an unofficial client: WhatsApp may limit or ban accounts that use one."


class DeviceSource(Protocol):
    """The owner of the account's device."""

    def devices(self) -> Devices | None:
        """The accessor, once the server is up."""
        ...


class Logins(Protocol):
    """Who is signed in."""

    @property
    def cookie(self) -> str:
        """The name of the cookie."""
        ...

    def sign_in(self, code: str) -> str | None:
        """The value of the cookie for this code of a login URL; None if the code is not valid."""
        ...


def page_routes(source: DeviceSource, logins: Logins) -> list[Route]:
    """The routes of health and pages.

    Args:
        source: Where the device is found.
        logins: Takes the code of a login URL.
    """
    pages = _Pages(source, logins)
    return [
        Route(LOGIN, pages.login, methods=["GET"]),
        Route("/healthz", pages.health),
        Route("/readyz", pages.ready),
        Route(HOME, pages.home),
        Route(LINK, pages.link, methods=["GET"]),
        Route(LINK, pages.start_linking, methods=["POST"]),
        *approval_routes(source, logins.cookie),
    ]


@dataclass(frozen=True, slots=True)
class _Pages:
    source: DeviceSource
    logins: Logins

    async def login(self, request: Request) -> Response:
        """Give the browser that comes with a valid code its cookie."""
        cookie = self.logins.sign_in(request.query_params.get("code", ""))
        if cookie is None:
            return page("Sign in", f"<p>{html.escape(HOW_TO_SIGN_IN)}</p>", status=403)
        signed_in = RedirectResponse(HOME, 303, HEADERS)
        is_encrypted = request.url.scheme == "https"
        signed_in.set_cookie(
            self.logins.cookie, cookie, httponly=True, samesite="strict", secure=is_encrypted
        )
        return signed_in

    async def health(self, _: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(self, _: Request) -> Response:
        status = await _status(self.source)
        online = status is not None and status.state is ConnectionState.ONLINE
        return PlainTextResponse("ready\n" if online else "not ready\n", 200 if online else 503)

    async def home(self, _: Request) -> Response:
        status = await _status(self.source)
        try:
            waiting = len(await open_questions(self.source))
        except WhatsAppError:
            waiting = 0
        return _status_page(status, waiting)

    async def link(self, _: Request) -> Response:
        """The current code; after linking, its outcome."""
        status = await _status(self.source)
        devices = self.source.devices()
        if devices is None or status is None or status.state is not ConnectionState.LINKING:
            return _status_page(status)
        try:
            async with devices.use() as device:
                state = await device.link()
        except WhatsAppError as error:
            return error_page(error)
        return page("Link a phone", link_html(state), reload=True)

    async def start_linking(self, _: Request) -> Response:
        """Start linking, then redirect to the page that shows the code."""
        devices = self.source.devices()
        if devices is not None:
            try:
                async with devices.use() as device:
                    await device.link()
            except WhatsAppError as error:
                return error_page(error)
        return RedirectResponse(LINK, 303, HEADERS)


async def _status(source: DeviceSource) -> ConnectionStatus | None:
    devices = source.devices()
    if devices is None:
        return None
    try:
        async with devices.use() as device:
            return await device.status()
    except WhatsAppError:
        return None


def _status_page(status: ConnectionStatus | None, waiting: int = 0) -> Response:
    if status is None:
        return page("WhatsApp", "<p>The server is starting.</p>", reload=True)
    link = f'<p><a href="{APPROVALS}">Approvals</a>: {waiting} waiting</p>'
    reload = status.state is not ConnectionState.ONLINE
    return page("WhatsApp", _status_html(status) + link, reload=reload)


def _status_html(status: ConnectionStatus) -> str:
    who = " ".join(part for part in (status.name, status.number) if part)
    rows = [f"<p><strong>{html.escape(status.state.value)}</strong> {html.escape(who)}</p>"]
    if status.reason:
        rows.append(f"<p>{html.escape(status.reason)}</p>")
    if status.state is ConnectionState.UNLINKED:
        rows.append(f'<form method="post" action="{LINK}"><button>Link a phone</button></form>')
        rows.append(f"<p><small>{_RISK}</small></p>")
    elif status.action:
        rows.append(f"<p>{html.escape(status.action)}</p>")
    if status.state is ConnectionState.LINKING:
        rows.append(f'<p><a href="{LINK}">Show the code</a></p>')
    since = f"since {status.since:%Y-%m-%d %H:%M} UTC"
    rows.append(f"<p><small>account {html.escape(status.account)}, {since}</small></p>")
    return "".join(rows)


def link_html(state: LinkState) -> str:
    """The instructions for the current step of linking."""
    ways: list[str] = []
    if state.code and state.state is ConnectionState.LINKING:
        ways.append(
            "<p>On the phone: Settings, Linked devices, Link a device, Link with phone number. Enter:</p>"
            f"<p><code>{html.escape(state.code)}</code></p>"
        )
    if state.qr and state.state is ConnectionState.LINKING:
        ways.append(
            "<p>On the phone: Settings, Linked devices, Link a device. Scan this:</p>"
            f"{_qr_svg(state.qr.text)}<p>The code renews itself.</p>"
        )
    outcome = f"{state.state.value}: {state.reason or state.number or ''}"
    return "".join(ways) or f"<p>{html.escape(outcome)}</p>"


def _qr_svg(text: str) -> str:
    import segno

    return segno.make_qr(text, error="l").svg_inline(border=4, omitsize=True)
