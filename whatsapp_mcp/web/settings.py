"""The pages of settings: what is in force and from where, and what would happen if an agent called a tool."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio.to_thread

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import Caller
from whatsapp_mcp.policy import Act, Policy, Situation, decide
from whatsapp_mcp.settings import ENV_PREFIX, Settings, config_text
from whatsapp_mcp.web.site import Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

SETTINGS: Final = "/settings"
_NAME: Final = 200
"""Characters of what a tool or a chat is called."""


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
        """What would happen if an agent called a tool, and by which rule."""
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
                policy, Act(tool, facts.effect, facts.audience, about), Situation(caller, tainted)
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
    """What a file says; nothing if it cannot be read."""
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
