"""`/healthz`, `/readyz`, and one page that shows the link and, while it is to be linked, its QR.

Pages hold no script and nothing from outside; while linking the page reloads itself.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final, Protocol

from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import ConnectionState, ConnectionStatus, LinkState

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from whatsapp_mcp.device.protocol import Devices

HOME: Final = "/"
LINK: Final = "/link"
PAGE_PATHS: Final = frozenset({HOME, LINK})
"""What a person's browser may open with the token in a cookie; the guard lets in nobody else."""
RELOAD_SECONDS: Final = 3
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:3em auto;padding:0 1em;color:#222}"
    "svg{width:18em;height:18em}code{font-size:1.6em;letter-spacing:.15em}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}svg{background:#fff;padding:1em}}"
)


class DeviceSource(Protocol):
    """Whoever knows the account's device."""

    def devices(self) -> Devices | None:
        """The accessor, once the server is up."""
        ...


def page_routes(source: DeviceSource, sign_in: Callable[[Request, Response], None]) -> list[Route]:
    """The routes of health and pages.

    Args:
        source: Where the device is found.
        sign_in: Gives the browser that came with a token its cookie.
    """

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        status = await _status(source)
        online = status is not None and status.state is ConnectionState.ONLINE
        return PlainTextResponse("ready\n" if online else "not ready\n", 200 if online else 503)

    async def home(request: Request) -> Response:
        if "token" in request.query_params:
            signed_in = RedirectResponse(HOME, 303, _HEADERS)
            sign_in(request, signed_in)
            return signed_in
        status = await _status(source)
        if status is None:
            return _page("WhatsApp", "<p>The server is starting.</p>", reload=True)
        return _page("WhatsApp", _status_html(status), reload=status.state is not ConnectionState.ONLINE)

    async def link(request: Request) -> Response:
        devices = source.devices()
        if devices is None:
            return _page("Link a phone", "<p>The server is starting.</p>", reload=True)
        try:
            async with devices.use() as device:
                status = await device.status()
            if request.method == "GET" and status.state is not ConnectionState.LINKING:
                return _page("Link a phone", _status_html(status), reload=False)
            async with devices.use() as device:
                state = await device.link()
        except WhatsAppError as error:
            return _page("Link a phone", f"<p>{html.escape(error.message)} {html.escape(error.action)}</p>")
        if request.method == "POST":
            return RedirectResponse(LINK, 303, _HEADERS)
        return _page("Link a phone", link_html(state), reload=True)

    return [
        Route("/healthz", health),
        Route("/readyz", ready),
        Route(HOME, home),
        Route(LINK, link, methods=["GET", "POST"]),
    ]


async def _status(source: DeviceSource) -> ConnectionStatus | None:
    devices = source.devices()
    if devices is None:
        return None
    try:
        async with devices.use() as device:
            return await device.status()
    except WhatsAppError:
        return None


def _status_html(status: ConnectionStatus) -> str:
    who = " ".join(part for part in (status.name, status.number) if part)
    rows = [f"<p><strong>{html.escape(status.state.value)}</strong> {html.escape(who)}</p>"]
    rows += [f"<p>{html.escape(text)}</p>" for text in (status.reason, status.action) if text]
    if status.state in {ConnectionState.UNLINKED, ConnectionState.LINKING}:
        rows.append(f'<form method="post" action="{LINK}"><button>Link a phone</button></form>')
    return "".join(rows)


def link_html(state: LinkState) -> str:
    """What the person has to do now."""
    if state.qr and state.state is ConnectionState.LINKING:
        return (
            "<p>On the phone: WhatsApp, Linked devices, Link a device. Scan this:</p>"
            f"{_qr_svg(state.qr.text)}<p>It changes by itself.</p>"
        )
    if state.code and state.state is ConnectionState.LINKING:
        return (
            "<p>On the phone: WhatsApp, Linked devices, Link with phone number. Enter:</p>"
            f"<p><code>{html.escape(state.code)}</code></p>"
        )
    return f"<p>{html.escape(state.state.value)}: {html.escape(state.reason or state.number or '')}</p>"


def _qr_svg(text: str) -> str:
    import segno

    return segno.make(text, error="l").svg_inline(scale=4, border=4)


def _page(title: str, body: str, *, reload: bool = False) -> HTMLResponse:
    refresh = f'<meta http-equiv="refresh" content="{RELOAD_SECONDS}">' if reload else ""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{refresh}'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>",
        headers=_HEADERS,
    )
