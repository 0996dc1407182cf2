"""The settings in force and where each is from, what would happen if an agent called a tool, and tokens.

The bearer tokens of applications are made, shown once, and revoked.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import anyio.to_thread

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import Caller
from whatsapp_mcp.policy import Act, CallerState, Policy, decide, parse_scopes
from whatsapp_mcp.settings import ENV_PREFIX, Settings, config_text
from whatsapp_mcp.text.choices import SCOPES
from whatsapp_mcp.web.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

SETTINGS: Final = "/settings"
_NAME: Final = 200
"""Characters of what a tool or a chat is called."""
TOKENS: Final = "/tokens"
_CREATE: Final = "create token"
"""Purpose of the form that makes a token."""
_ACCOUNT: Final = "account "
"""Prefix of the name of an account's form field."""
_MEANING: Final = {
    "read": "read chats, people and files",
    "send": "send, and change what others see, as the policy allows",
    "admin": "link, unlink and reconnect",
    "metrics": "read figures at /metrics, and nothing else",
}


class _InForce(NamedTuple):
    """A setting, its value, where that is from, and its default."""

    name: str
    value: str
    source: str
    default: str


def settings_routes(site: Site) -> list[Route]:
    """The routes of settings."""
    pages = _Settings(site)
    return [site.route(SETTINGS, pages.show), site.route(f"{SETTINGS}/try", pages.explain)]


@dataclass(frozen=True, slots=True)
class _Settings:
    site: Site

    async def show(self, request: Request) -> Response:
        current = self.site.source.current
        settings = current.now()
        text = await anyio.to_thread.run_sync(config_text, settings.home)
        return self.site.page(
            request,
            "settings.html",
            "Settings",
            fault=current.fault,
            rules=settings.policy.chats,
            in_force=list(_in_force(settings, text, self.site.source.account)),
            file=settings.home / "config.toml",
        )

    async def explain(self, request: Request) -> Response:
        """Show the decision on a tool call by an agent, and the rule behind it."""
        given = request.query_params
        tool, text = given.get("tool", "").strip()[:_NAME], given.get("chat", "").strip()[:_NAME]
        tainted = given.get("tainted") == "yes"
        decision = chat = None
        if tool:
            facts = self.site.source.declared(tool)
            if facts is None:
                raise InvalidArgument("There is no such tool.", "Give its name, such as send_message.")
            chat = await self.site.meant(text) if text else None
            about = [await self.site.opened().archive.chat_facts(chat.jid)] if chat else []
            policy = Policy.of(self.site.source.current.now())
            caller = Caller("an agent", tool=tool)
            decision = decide(
                policy, Act(tool, facts.effect, facts.audience, about), CallerState(caller, tainted)
            )
        return self.site.page(
            request,
            "try.html",
            "What would happen?",
            tool=tool,
            text=text,
            tainted=tainted,
            decision=decision,
            chat=chat,
            verdicts={"allow": "It is done.", "ask": "You are asked.", "deny": "It is refused."},
        )


def _in_force(settings: Settings, text: str, account: str) -> Iterator[_InForce]:
    """Every setting with a value of its own; what may be secret is left out."""
    written = _parsed(text)
    defaults = _values(Settings(home=settings.home))
    for path, value in _values(settings).items():
        variable = ENV_PREFIX + "__".join(path).upper()
        is_written = _is_in(written, path) or _is_in(written, ("accounts", account, *path))
        source = "environment" if variable in os.environ else "config.toml" if is_written else "default"
        yield _InForce(".".join(path), _shown(value), source, _shown(defaults.get(path)))


def _values(settings: Settings) -> dict[tuple[str, ...], Any]:
    """Settings by their path, but for the rules of chats."""
    values = settings.model_dump(mode="json", exclude={"home": True, "policy": {"chats"}})
    return dict(_flat(values, ()))


def _parsed(text: str) -> dict[str, Any]:
    """Parse a file's text; the result is empty if it cannot be parsed."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _is_in(values: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        values = values.get(part) if isinstance(values, dict) else None
    return values is not None


def _flat(values: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, (*above, key))
        else:
            yield (*above, key), value


def _shown(value: Any) -> str:
    if value is None or value == [] or value == {}:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


class TokenFacts(Protocol):
    """Metadata of a token."""

    @property
    def name(self) -> str:
        """Name of the token."""
        ...

    @property
    def scopes(self) -> frozenset[str]:
        """Scopes of the token."""
        ...

    @property
    def accounts(self) -> frozenset[str] | None:
        """Accounts that the token is for; None for all."""
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
    """Store of tokens, kept as hashes."""

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
        tokens = await anyio.to_thread.run_sync(self.tokens.all)
        return self.site.page(
            request,
            "tokens.html",
            "Tokens",
            tokens=[(one, sorted(one.scopes, key=[*SCOPES].index)) for one in tokens],
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
        # No redirect: the token would have to be kept for the page behind it.
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
