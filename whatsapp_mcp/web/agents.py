"""Who may write to the agents of this account: chats that have one, and strangers who ask to be let in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.web.formats import chat_path
from whatsapp_mcp.web.site import Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from whatsapp_mcp.models import Pairing

AGENTS: Final = "/agents"
_VALID: Final = timedelta(hours=1)
"""How long a code lets somebody in."""


def agent_routes(site: Site) -> list[Route]:
    """The routes of agents that people write to."""
    pages = _Agents(site)
    return [site.route(AGENTS, pages.show), site.route(AGENTS, pages.decide, "POST")]


def _purpose(pairing: Pairing) -> str:
    return f"pairing {pairing.chat} {pairing.code}"


@dataclass(frozen=True, slots=True)
class _Agents:
    site: Site

    async def show(self, request: Request) -> Response:
        async with self.site.opened().devices.use() as device:
            status = await device.agent_status()
        oldest = self.site.now() - _VALID
        asking = [one for one in status.pairings if one.paired_at is None and one.given_at > oldest]
        return self.site.page(
            request,
            "agents.html",
            "Agents that people write to",
            chats=[(one, chat_path(one.chat)) for one in status.chats],
            asking=asking,
            paired=[one for one in status.pairings if one.paired_at is not None],
            cost=status.cost,
            purpose=_purpose,
        )

    async def decide(self, request: Request) -> Response:
        """Let a stranger in, or out again."""
        form = await self.site.form(request)
        async with self.site.opened().devices.use() as device:
            known = (await device.agent_status()).pairings
            pairing = next((one for one in known if one.chat == form.get("chat")), None)
            if pairing is None:
                raise InvalidArgument("They do not ask any more.", "Load the page again.")
            self.site.check(request, form, _purpose(pairing))
            if form.get("do") == "pair":
                await device.pair(pairing.code)
            elif form.get("do") == "drop":
                await device.drop_pairing(pairing.chat)
            else:
                raise InvalidArgument("This form is not valid any more.", "Load the page again.")
        return self.site.see(AGENTS)
