"""All routes for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from whatsapp_mcp.web.acts import act_routes
from whatsapp_mcp.web.agents import agent_routes
from whatsapp_mcp.web.approvals import approval_routes
from whatsapp_mcp.web.archive import chat_routes, file_routes, search_routes
from whatsapp_mcp.web.connection import connection_routes
from whatsapp_mcp.web.imports import import_routes
from whatsapp_mcp.web.layout import HOME, SCRIPT, STYLE, headers, render, static_routes
from whatsapp_mcp.web.people import people_routes
from whatsapp_mcp.web.probes import PROBES
from whatsapp_mcp.web.scheduled import scheduled_routes
from whatsapp_mcp.web.settings import settings_routes
from whatsapp_mcp.web.site import Site
from whatsapp_mcp.web.tokens import token_routes
from whatsapp_mcp.web.webhooks import webhook_routes

if TYPE_CHECKING:
    from starlette.requests import Request

    from whatsapp_mcp.web.sources import Logins, PageSource
    from whatsapp_mcp.web.tokens import TokenStore

LOGIN: Final = "/login"
"""Where the URL leads that `whatsapp-mcp page` prints; the only page that needs no session."""
OPEN_PATHS: Final = PROBES | {LOGIN, STYLE, SCRIPT}
"""Answered to anybody: yes or no, a page that wants a code, and what that page looks like."""
HOW_TO_SIGN_IN: Final = (
    "These pages need a sign-in: run `whatsapp-mcp page` in a terminal on the computer that the server runs "
    "on, and open the URL that it prints. Each URL is valid once, for ten minutes."
)


def page_routes(source: PageSource, logins: Logins, tokens: TokenStore) -> list[Route]:
    """The routes of all pages.

    Args:
        source: The server.
        logins: Takes the code of a login URL.
        tokens: Keeps the tokens of applications.
    """
    return site_routes(Site(source, logins.cookie), logins, tokens)


def site_routes(site: Site, logins: Logins, tokens: TokenStore) -> list[Route]:
    """As `page_routes`, of a site with a clock and a key of its own."""
    entrance = _Entrance(site.source, logins)
    return [
        Route(LOGIN, entrance.login, methods=["GET"]),
        *static_routes(),
        *connection_routes(site),
        *approval_routes(site),
        *chat_routes(site),
        *search_routes(site),
        *file_routes(site),
        *people_routes(site),
        *scheduled_routes(site),
        *act_routes(site),
        *agent_routes(site),
        *import_routes(site),
        *webhook_routes(site),
        *settings_routes(site),
        *token_routes(site, tokens),
    ]


def sign_in_page() -> Response:
    """What somebody sees who is not signed in."""
    return render("login.html", {"title": "Sign in", "live": False, "how": HOW_TO_SIGN_IN}, 403)


@dataclass(frozen=True, slots=True)
class _Entrance:
    """What is answered without a session."""

    source: PageSource
    logins: Logins

    async def login(self, request: Request) -> Response:
        """Give the browser that comes with a valid code its cookie."""
        cookie = self.logins.sign_in(request.query_params.get("code", ""))
        if cookie is None:
            return sign_in_page()
        signed_in = RedirectResponse(HOME, 303, headers())
        is_encrypted = request.url.scheme == "https"
        signed_in.set_cookie(
            self.logins.cookie, cookie, httponly=True, samesite="strict", secure=is_encrypted
        )
        return signed_in
