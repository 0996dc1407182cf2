"""The connection to WhatsApp: its state, and the QR code and pairing code of a phone that is being linked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.web.layout import HOME, qr_svg
from whatsapp_mcp.web.site import Site, see

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from whatsapp_mcp.models import ConnectionStatus
    from whatsapp_mcp.web.sources import PageSource

LINK: Final = "/link"
_LINK_FORM: Final = "link"


def connection_routes(site: Site) -> list[Route]:
    """The routes of the state of the connection and of linking."""
    pages = _Connection(site)
    return [
        site.route(HOME, pages.show),
        site.route(LINK, pages.link),
        site.route(LINK, pages.start_linking, "POST"),
    ]


async def status_of(source: PageSource) -> ConnectionStatus | None:
    """The state of the connection; None where it cannot be told."""
    opened = source.opened()
    if opened is None:
        return None
    try:
        async with opened.devices.use() as device:
            return await device.status()
    except WhatsAppError:
        return None


@dataclass(frozen=True, slots=True)
class _Connection:
    site: Site

    async def show(self, request: Request) -> Response:
        status = await status_of(self.site.source)
        live = status is None or status.state is not ConnectionState.ONLINE
        return self.site.page(request, "connection.html", "Connection", live=live, status=status)

    async def link(self, request: Request) -> Response:
        """The current code; after linking, its outcome."""
        status = await status_of(self.site.source)
        if status is None or status.state is not ConnectionState.LINKING:
            return await self.show(request)
        async with self.site.opened().devices.use() as device:
            state = await device.link()
        qr = qr_svg(state.qr.text) if state.qr else None
        return self.site.page(request, "link.html", "Link a phone", live=True, state=state, qr=qr)

    async def start_linking(self, request: Request) -> Response:
        """Start linking, then redirect to the page that shows the code."""
        self.site.check(request, await self.site.form(request), _LINK_FORM)
        async with self.site.opened().devices.use() as device:
            await device.link()
        return see(LINK)
