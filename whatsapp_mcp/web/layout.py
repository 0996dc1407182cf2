"""What every page has in common: no script, nothing from outside, and headers that keep it so."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from whatsapp_mcp.errors import WhatsAppError

HOME: Final = "/"
RELOAD_SECONDS: Final = 3
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    # Not "no-referrer": with that a browser names the origin of a form "null", and the guard refuses it.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_STYLE: Final = (
    "html{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:3em auto;padding:0 1em}"
    "h1{font-size:1.4em}svg{display:block;width:20em;max-width:100%;background:#fff}"
    "code{font-size:1.6em;letter-spacing:.15em}button{font:inherit;padding:.4em 1em;margin-right:1em}"
    "small{opacity:.7}section{border:1px solid;border-radius:.5em;padding:0 1em 1em;margin:1em 0}"
    "section p{overflow-wrap:anywhere;margin:.3em 0}"
)


def page(title: str, body: str, *, reload: bool = False, status: int = 200) -> HTMLResponse:
    """A page.

    Args:
        title: Its heading, as HTML.
        body: The rest, as HTML.
        reload: Whether it reloads itself every few seconds.
        status: The HTTP status.
    """
    refresh = f'<meta http-equiv="refresh" content="{RELOAD_SECONDS}">' if reload else ""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{refresh}'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>",
        status,
        headers=HEADERS,
    )


def error_page(error: WhatsAppError) -> HTMLResponse:
    """What went wrong, and the way back."""
    back = f'<p><a href="{HOME}">Back</a></p>'
    return page("WhatsApp", f"<p>{html.escape(error.message)} {html.escape(error.action)}</p>{back}")
