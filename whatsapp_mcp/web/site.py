"""`Site`: the pages of one account: who serves them, the person's clock, and the forms that count.

The guard lets a signed-in browser alone get here, and takes a form only from a page of this server. Each form
holds a token of its own besides, made for what it does and for its session.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from whatsapp_mcp.errors import (
    AmbiguousChat,
    Busy,
    ChatNotFound,
    ContactNotFound,
    InvalidArgument,
    MediaUnavailable,
    MessageNotFound,
    WhatsAppError,
)
from whatsapp_mcp.models import meant
from whatsapp_mcp.web import formats
from whatsapp_mcp.web.layout import headers, render

if TYPE_CHECKING:
    from starlette.requests import Request

    from whatsapp_mcp.models import Chat
    from whatsapp_mcp.web import Opened, PageSource

Handler = Callable[["Request"], Awaitable[Response]]
_NOT_THERE: Final = (ChatNotFound, ContactNotFound, MessageNotFound, MediaUnavailable)
"""Errors whose page has the HTTP status 404."""
_MOST_FIELDS: Final = 32
"""Fields of a form."""


class NavigationEntry(NamedTuple):
    """An entry of the navigation."""

    path: str
    name: str


class Tab(NamedTuple):
    """A part of a list that a page can show."""

    key: str
    path: str
    name: str


PLACES: Final = (
    NavigationEntry("/", "Connection"),
    NavigationEntry("/approvals", "Approvals"),
    NavigationEntry("/chats", "Chats"),
    NavigationEntry("/search", "Search"),
    NavigationEntry("/people", "People"),
    NavigationEntry("/scheduled", "Scheduled"),
    NavigationEntry("/acts", "What agents did"),
    NavigationEntry("/agents", "Who writes to agents"),
)
LAST_PLACES: Final = (
    NavigationEntry("/settings", "Settings"),
    NavigationEntry("/tokens", "Tokens"),
)
"""The navigation of every page, before and after what features have."""


class FeaturePages(NamedTuple):
    """The pages of a feature.

    Attributes:
        places: What it has in the navigation.
        routes: Makes its routes for the pages of an account.
    """

    places: tuple[NavigationEntry, ...]
    routes: Callable[[Site], list[Route]]


def base_of(account: str) -> str:
    """Before the paths of the pages of an account, where there are several."""
    return f"/accounts/{account}"


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Site:
    """Context that every page needs.

    Attributes:
        source: The server.
        cookie: The name of the cookie of a session.
        now: The wall clock.
        all_sources: Those of all accounts here, this one among them, where there are several.
        places: What features have in the navigation.
        key: Makes the tokens of forms.
    """

    source: PageSource
    cookie: str
    now: Callable[[], datetime] = _utc_now
    all_sources: tuple[PageSource, ...] = ()
    places: tuple[NavigationEntry, ...] = ()
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def base(self) -> str:
        """Before the path of each page: names the account, where there are several."""
        return base_of(self.source.account) if self.all_sources else ""

    def here(self, request: Request) -> str:
        """The path of a request, without `base`."""
        return request.url.path.removeprefix(self.base)

    def see(self, path: str) -> Response:
        """Send the browser on to a page of this account, after a form."""
        # 303: the browser goes on with GET, and a page loaded again repeats no form (RFC 9110, 15.4.4).
        return RedirectResponse(f"{self.base}{path}", 303, headers())

    def opened(self) -> Opened:
        """The account.

        Raises:
            Busy: The server is still starting.
        """
        opened = self.source.opened()
        if opened is None:
            raise Busy("The server is starting.", "Wait a moment.")
        return opened

    @property
    def zone(self) -> tzinfo:
        """The person's time zone."""
        return self.source.current.now().zone

    async def meant(self, text: str) -> Chat:
        """The one chat that a person means by a number, a name or an address.

        Raises:
            ChatNotFound, AmbiguousChat: They mean none, or several.
        """
        first, *others = meant(await self.opened().archive.resolve_chat(text)) or (None,)
        if first is None:
            raise ChatNotFound("No chat is called so.", "Give the number with its country code.")
        if others:
            raise AmbiguousChat("Several chats are called so.", "Give the number or the address.")
        return first.chat

    def route(self, path: str, handler: Handler, *methods: str) -> Route:
        """A route whose errors are pages; for GET if no method is named."""

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except WhatsAppError as error:
                return self.failed(request, error)

        return Route(path, answered, methods=[*methods] or ["GET"])

    def page(
        self,
        request: Request,
        template: str,
        title: str,
        *,
        live: bool = False,
        code: int = 200,
        **values: Any,
    ) -> Response:
        """A page in the frame that all have.

        Args:
            request: What asks for it.
            template: Name of the template.
            title: The heading.
            live: Whether what it shows changes by itself: then it is loaded again every few seconds.
            code: The HTTP status.
            values: What the template shows.
        """
        zone = self.zone
        frame = {
            "title": title,
            "account": self.source.account,
            "accounts": [
                (each.account, base_of(each.account), self._waiting(each)) for each in self.all_sources
            ],
            "base": self.base,
            "places": (*PLACES, *self.places, *LAST_PLACES),
            "here": self.here(request),
            "waiting": self._waiting(self.source),
            "live": live,
            "clock": partial(formats.clock, zone=zone),
            "day": partial(formats.day, zone=zone),
            "when": partial(formats.when, zone=zone),
            "token": partial(self.token, request),
        }
        assert not frame.keys() & values.keys(), "a value has the name of one of the frame"
        return render(template, {**frame, **values}, code)

    def _waiting(self, source: PageSource) -> int:
        """Return how many questions of an account wait for the person; 0 if the number cannot be read."""
        opened = source.opened()
        try:
            return len(opened.ledger.approvals.open(self.now())) if opened else 0
        except WhatsAppError:
            return 0

    def failed(self, request: Request, error: WhatsAppError) -> Response:
        """The page that says what went wrong."""
        code = 503 if isinstance(error, Busy) else 404 if isinstance(error, _NOT_THERE) else 400
        # As long as the server starts, the page loads itself again.
        live = self.source.opened() is None
        return self.page(request, "error.html", "WhatsApp", live=live, code=code, error=error)

    def token(self, request: Request, purpose: str) -> str:
        """The token of a form with this purpose, in the session of a request."""
        # With the cookie it holds in one session alone, and nothing has to be kept.
        said = f"{purpose}\n{request.cookies.get(self.cookie, '')}"
        return hmac.digest(self.key, said.encode(), "sha256").hex()

    @staticmethod
    async def form(request: Request) -> Mapping[str, str]:
        """The fields of a form, each once.

        Raises:
            InvalidArgument: It is not a form.
        """
        try:
            fields = parse_qs(
                (await request.body()).decode(),
                keep_blank_values=True,
                strict_parsing=True,
                max_num_fields=_MOST_FIELDS,
            )
        except ValueError:
            raise _stale() from None
        if any(len(values) > 1 for values in fields.values()):
            raise _stale()
        return {name: value for name, (value,) in fields.items()}

    def check(self, request: Request, form: Mapping[str, str], purpose: str) -> None:
        """Refuse a form that no page of this session made for this purpose.

        Raises:
            InvalidArgument: It is not one.
        """
        expected = self.token(request, purpose)
        if not hmac.compare_digest(form.get("token", "").encode(errors="replace"), expected.encode()):
            raise _stale()


def _stale() -> InvalidArgument:
    return InvalidArgument("This form is not valid any more.", "Load the page again.")
