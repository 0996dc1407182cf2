"""The bearer tokens of applications: made, shown once, revoked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import anyio.to_thread

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.policy import parse_scopes
from whatsapp_mcp.text.choices import SCOPES
from whatsapp_mcp.web.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

TOKENS: Final = "/tokens"
_CREATE: Final = "create token"
_ACCOUNT: Final = "account "
"""How the field of an account begins."""
_MEANING: Final = {
    "read": "read chats, people and files",
    "send": "send, and change what others see, as the policy allows",
    "admin": "link, unlink and reconnect",
    "metrics": "read figures at /metrics, and nothing else",
}


class TokenFacts(Protocol):
    """What is known of a token."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def scopes(self) -> frozenset[str]:
        """What it may do."""
        ...

    @property
    def accounts(self) -> frozenset[str] | None:
        """Those that it is for; None for all."""
        ...

    @property
    def created(self) -> datetime | None:
        """When it was made, if that is known."""
        ...

    @property
    def last_used(self) -> datetime | None:
        """When it was last used, to the minute."""
        ...


class TokenStore(Protocol):
    """Where tokens are kept, as hashes."""

    def all(self) -> Sequence[TokenFacts]:
        """Every token."""
        ...

    def create(self, name: str, scopes: Iterable[str], accounts: Iterable[str] | None = None) -> str:
        """Make one, for all accounts or for these, and answer it."""
        ...

    def revoke(self, name: str) -> None:
        """Delete one."""
        ...


def token_routes(site: Site, tokens: TokenStore) -> list[Route]:
    """The routes of tokens."""
    pages = _Tokens(site, tokens)
    return [
        site.route(TOKENS, pages.list),
        site.route(TOKENS, pages.create, "POST"),
        site.route(f"{TOKENS}/{{name}}/revoke", pages.ask_to_revoke),
        site.route(f"{TOKENS}/{{name}}/revoke", pages.revoke, "POST"),
    ]


@dataclass(frozen=True, slots=True)
class _Tokens:
    site: Site
    tokens: TokenStore

    async def list(self, request: Request) -> Response:
        return await self._page(request, None)

    async def _page(self, request: Request, made: tuple[str, str] | None) -> Response:
        found = await anyio.to_thread.run_sync(self.tokens.all)
        return self.site.page(
            request,
            "tokens.html",
            "Tokens",
            tokens=[(one, sorted(one.scopes, key=[*SCOPES].index)) for one in found],
            made=made,
            scopes=[(scope, _MEANING.get(scope, "")) for scope in SCOPES],
            limits=self._accounts(),
            purpose=_CREATE,
        )

    def _accounts(self) -> list[str]:
        """The accounts to which a token may be limited; none where there are not several."""
        names = self.site.source.current.now().accounts()
        return names if len(names) > 1 else []

    async def create(self, request: Request) -> Response:
        """Make a token and show it, this once."""
        form = await self.site.form(request)
        self.site.check(request, form, _CREATE)
        name = form.get("name", "").strip()
        scopes = parse_scopes(",".join(scope for scope in SCOPES if form.get(scope)) or "read")
        accounts = [field.removeprefix(_ACCOUNT) for field in form if field.startswith(_ACCOUNT)]
        for account in accounts:
            self._check_account(account)
        token = await anyio.to_thread.run_sync(self.tokens.create, name, scopes, accounts or None)
        return await self._page(request, (name, token))

    def _check_account(self, name: str) -> None:
        """Refuse an account that is gone since the form was shown: the token would be for more than was said.

        Raises:
            InvalidArgument: It is not here.
        """
        if name not in self.site.source.current.now().accounts():
            raise InvalidArgument(f"There is no account {name!r} here.", "Open the page again and choose.")

    async def ask_to_revoke(self, request: Request) -> Response:
        name = self._known(request.path_params["name"])
        return self.site.page(
            request,
            "revoke.html",
            "Revoke this token?",
            name=name,
            purpose=_revoking(name),
            path=self.site.here(request),
        )

    async def revoke(self, request: Request) -> Response:
        """Delete a token; the next request with it is refused."""
        name = self._known(request.path_params["name"])
        self.site.check(request, await self.site.form(request), _revoking(name))
        await anyio.to_thread.run_sync(self.tokens.revoke, name)
        return self.site.see(TOKENS)

    def _known(self, name: str) -> str:
        if all(one.name != name for one in self.tokens.all()):
            raise InvalidArgument("There is no such token.", "Choose one of the list.")
        return name


def _revoking(name: str) -> str:
    return f"revoke {name}"
