"""The connection to WhatsApp: its state and its past, what may have been missed, and linking a phone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread

from whatsapp_mcp.device.operations import control
from whatsapp_mcp.errors import InvalidArgument, WhatsAppError
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.web.layout import HOME, qr_svg, render
from whatsapp_mcp.web.site import Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from whatsapp_mcp.device.connection import PastState
    from whatsapp_mcp.models import ConnectionStatus, LinkState
    from whatsapp_mcp.web import Opened, PageSource

LINK: Final = "/link"
UNLINK: Final = "/unlink"
_LINKING: Final = "Link a phone"
_LINK_FORM: Final = "link"
_CONTROL_FORM: Final = "connection"
_UNLINK_FORM: Final = "unlink"
"""Purposes of forms, for which their tokens are made."""
_PAUSES: Final = {"hour": timedelta(hours=1), "night": timedelta(hours=8), "day": timedelta(days=1), "": None}
"""Lengths of a pause by the form's value; the last one has no end."""


def connection_routes(site: Site) -> list[Route]:
    """The routes of the state of the connection and of linking."""
    pages = _Connection(site)
    return [
        site.route(HOME, pages.show),
        site.route("/connection", pages.control, "POST"),
        site.route(LINK, pages.link),
        site.route(LINK, pages.start_linking, "POST"),
        site.route(UNLINK, pages.ask_to_unlink),
        site.route(UNLINK, pages.unlink, "POST"),
    ]


def link_page(state: LinkState | None) -> Response:
    """The page of linking by itself, for a browser that may see nothing else: the code, then the outcome.

    Args:
        state: How far linking is; None where that is not known yet.
    """
    live = state is None or not state.is_over
    return render("link_alone.html", {"title": _LINKING, "live": live, **_shown(state)})


def _shown(state: LinkState | None) -> dict[str, Any]:
    """Return the template's values for a state of linking."""
    return {"state": state, "qr": qr_svg(state.qr.text) if state and state.qr else None}


async def status_of(source: PageSource) -> ConnectionStatus | None:
    """The state of the connection; None where it cannot be told."""
    opened = source.opened()
    if opened is None:
        return None
    try:
        async with opened.devices.use() as device:
            return await device.do(control.status)
    except WhatsAppError:
        return None


async def _past(opened: Opened) -> tuple[PastState, ...]:
    from whatsapp_mcp.device.connection import past_states

    return await anyio.to_thread.run_sync(past_states, opened.archive.folder.path)


@dataclass(frozen=True, slots=True)
class _Connection:
    site: Site

    async def show(self, request: Request) -> Response:
        status = await status_of(self.site.source)
        opened = self.site.source.opened()
        live = status is None or status.state is not ConnectionState.ONLINE
        return self.site.page(
            request,
            "connection.html",
            "Connection",
            live=live,
            status=status,
            fault=self.site.source.current.check(),
            past=await _past(opened) if opened else (),
            gaps=await opened.archive.gaps() if opened else (),
            history=await opened.archive.history_progress() if opened else None,
            form=_CONTROL_FORM,
        )

    async def control(self, request: Request) -> Response:
        """Reconnect, pause or resume."""
        form = await self.site.form(request)
        self.site.check(request, form, _CONTROL_FORM)
        length = form.get("for", "")
        async with self.site.opened().devices.use() as device:
            match form.get("do"):
                case "reconnect":
                    await device.do(control.reconnect)
                case "pause" if length in _PAUSES:
                    lasts = _PAUSES[length]
                    await device.do(control.pause, None if lasts is None else self.site.now() + lasts)
                case "resume":
                    await device.do(control.resume)
                case _:
                    raise InvalidArgument("This form is not valid any more.", "Load the page again.")
        return self.site.see(HOME)

    async def link(self, request: Request) -> Response:
        """The current code; after linking, its outcome."""
        status = await status_of(self.site.source)
        # To look at a page begins nothing: it only joins a linking that runs.
        if status is None or status.state is not ConnectionState.LINKING:
            return await self.show(request)
        async with self.site.opened().devices.use() as device:
            state = await device.do(control.link)
        return self.site.page(request, "link.html", _LINKING, live=True, **_shown(state))

    async def start_linking(self, request: Request) -> Response:
        """Start linking, then redirect to the page that shows the code."""
        form = await self.site.form(request)
        self.site.check(request, form, _LINK_FORM)
        phone = form.get("phone", "").strip()
        async with self.site.opened().devices.use() as device:
            await device.do(control.link, phone or None)
        return self.site.see(LINK)

    async def ask_to_unlink(self, request: Request) -> Response:
        return self.site.page(request, "unlink.html", "Unlink this computer?", form=_UNLINK_FORM)

    async def unlink(self, request: Request) -> Response:
        """Log this companion out."""
        self.site.check(request, await self.site.form(request), _UNLINK_FORM)
        async with self.site.opened().devices.use() as device:
            await device.do(control.unlink)
        return self.site.see(HOME)
