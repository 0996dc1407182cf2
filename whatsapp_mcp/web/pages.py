"""All routes for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.web.agents import act_routes, agent_routes
from whatsapp_mcp.web.archive import chat_routes, file_routes, search_routes
from whatsapp_mcp.web.connection import LINK, connection_routes
from whatsapp_mcp.web.layout import HOME, SCRIPT, STYLE, headers, render, static_routes
from whatsapp_mcp.web.pending import approval_routes, scheduled_routes
from whatsapp_mcp.web.people import people_routes
from whatsapp_mcp.web.probes import PROBES
from whatsapp_mcp.web.settings import settings_routes, token_routes
from whatsapp_mcp.web.site import FeaturePages, Site, base_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

    from whatsapp_mcp.web import Logins, PageSource
    from whatsapp_mcp.web.settings import TokenStore

LOGIN: Final = "/login"
"""Path of the URL that `whatsapp-mcp page` prints; the only page that needs no session."""
OPEN_PATHS: Final = PROBES | {LOGIN, STYLE, SCRIPT}
"""Answered to anybody: yes or no, a page that wants a code, and what that page looks like."""
HOW_TO_SIGN_IN: Final = (
    "These pages need a sign-in: run `whatsapp-mcp page` in a terminal on the computer that the server runs "
    "on, and open the URL that it prints. Each URL is valid once, for ten minutes."
)


def sites_of(sources: Sequence[PageSource], logins: Logins) -> list[Site]:
    """The sites of accounts; where there are several, the pages of each are below a path of its own."""
    several = tuple(sources) if len(sources) > 1 else ()
    places = tuple(place for each in _pages_of_features() for place in each.places)
    return [Site(source, logins.cookie, all_sources=several, places=places) for source in sources]


def no_page(sites: Sequence[Site], request: Request, code: int) -> Response:
    """The page at an address that has none, in the frame of the account that it names, with this status."""
    path = request.url.path
    site = next((site for site in sites if path.startswith(f"{site.base}/")), sites[0])
    error = InvalidArgument("There is no page at this address.", "Choose a page of the navigation.")
    return site.page(request, "error.html", "Not found", code=code, error=error)


def site_routes(sites: Sequence[Site], logins: Logins, tokens: TokenStore) -> list[BaseRoute]:
    """The routes of all pages.

    Args:
        sites: The accounts.
        logins: Takes the code of a login URL.
        tokens: Keeps the tokens of applications.
    """
    first, *others = sites
    routes = entrance_routes(logins, HOW_TO_SIGN_IN)
    if not others:
        return [*routes, *_account_routes(first, tokens)]
    routes.append(Route(HOME, _to_first(first), methods=["GET"]))
    return [*routes, *(Mount(site.base, routes=_account_routes(site, tokens)) for site in sites)]


def entrance_routes(logins: Logins, how: str) -> list[BaseRoute]:
    """The routes that need no session: signing in, and how pages look.

    Args:
        logins: Takes the code of a login URL.
        how: What somebody reads whose code is not valid.
    """
    entrance = _Entrance(logins, how)
    return [
        Route(LOGIN, entrance.ask, methods=["GET"]),
        Route(LOGIN, entrance.sign_in, methods=["POST"]),
        *static_routes(),
    ]


def link_path(account: str, *, is_only: bool) -> str:
    """The path of the page on which a phone is linked to an account."""
    return LINK if is_only else f"{base_of(account)}{LINK}"


def _to_first(site: Site) -> Callable[[Request], Awaitable[Response]]:
    async def to_first(_: Request) -> Response:
        return site.see(HOME)

    return to_first


def _account_routes(site: Site, tokens: TokenStore) -> list[Route]:
    return [
        *connection_routes(site),
        *approval_routes(site),
        *chat_routes(site),
        *search_routes(site),
        *file_routes(site),
        *people_routes(site),
        *scheduled_routes(site),
        *act_routes(site),
        *agent_routes(site),
        *settings_routes(site),
        *token_routes(site, tokens),
        *(route for each in _pages_of_features() for route in each.routes(site)),
    ]


def _pages_of_features() -> list[FeaturePages]:
    """The pages of features."""
    from whatsapp_mcp.features.imports.pages import IMPORT_PAGES
    from whatsapp_mcp.features.webhooks.pages import WEBHOOK_PAGES

    pages: list[FeaturePages] = []
    pages.append(IMPORT_PAGES)
    pages.append(WEBHOOK_PAGES)
    return pages


def sign_in_page(how: str = HOW_TO_SIGN_IN) -> Response:
    """Return the page for somebody who is not signed in, which says how to sign in."""
    return render("login.html", {"title": "Sign in", "live": False, "how": how}, 403)


@dataclass(frozen=True, slots=True)
class _Entrance:
    """Login pages, which need no session."""

    logins: Logins
    how: str

    async def ask(self, request: Request) -> Response:
        """Show the button that uses a valid code up: whatever only loads the URL leaves it valid."""
        code = request.query_params.get("code", "")
        if not self.logins.takes(code):
            return sign_in_page(self.how)
        return render("sign_in.html", {"title": "Sign in", "live": False, "login": LOGIN, "code": code})

    async def sign_in(self, request: Request) -> Response:
        """Give the browser that comes with a valid code its cookie."""
        try:
            form = await Site.form(request)
        except InvalidArgument:
            form = {}
        cookie = self.logins.sign_in(form.get("code", ""))
        if cookie is None:
            return sign_in_page(self.how)
        signed_in = RedirectResponse(HOME, 303, headers())
        # Browsers do not keep a secure cookie that comes over HTTP.
        is_encrypted = request.url.scheme == "https"
        # Strict: a request that another site causes comes without it, even where a link is followed.
        signed_in.set_cookie(
            self.logins.cookie, cookie, httponly=True, samesite="strict", secure=is_encrypted
        )
        return signed_in
