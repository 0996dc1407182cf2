"""Webhooks: how each is doing, which events it gave up, and having these delivered again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.web.site import FeaturePages, NavigationEntry, Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from whatsapp_mcp.features.webhooks.settings import WebhookSettings
    from whatsapp_mcp.ledger import FailedDelivery, WebhookProgress

WEBHOOKS: Final = "/webhooks"
_SHOWN: Final = 50
"""Failed events of one webhook that its page lists, the newest."""


def webhook_routes(site: Site) -> list[Route]:
    """The routes of webhooks."""
    pages = _Webhooks(site)
    return [
        site.route(WEBHOOKS, pages.show),
        site.route(f"{WEBHOOKS}/{{name}}/replay", pages.ask_to_replay),
        site.route(f"{WEBHOOKS}/{{name}}/replay", pages.replay, "POST"),
    ]


@dataclass(frozen=True, slots=True)
class _WebhookCard:
    """A webhook of the settings, how far it has come, and what it gave up, newest first."""

    webhook: WebhookSettings
    progress: WebhookProgress | None
    failed: tuple[FailedDelivery, ...]

    @property
    def waiting(self) -> int:
        """Failed events that nobody has asked to deliver again yet."""
        return sum(not one.replay for one in self.failed)


@dataclass(frozen=True, slots=True)
class _Webhooks:
    site: Site

    async def show(self, request: Request) -> Response:
        named = self.site.source.current.now().webhooks
        return self.site.page(
            request,
            "webhooks/templates/webhooks.html",
            "Webhooks",
            shown=[self._shown(webhook) for webhook in named],
            most=_SHOWN,
        )

    def _shown(self, webhook: WebhookSettings) -> _WebhookCard:
        record = self.site.opened().ledger.webhooks
        return _WebhookCard(webhook, record.progress(webhook.name), record.failed(webhook.name)[::-1])

    async def ask_to_replay(self, request: Request) -> Response:
        shown = self._known(request.path_params["name"])
        return self.site.page(
            request,
            "webhooks/templates/replay.html",
            "Deliver failed events again?",
            one=shown,
            purpose=_replaying(shown.webhook.name),
            path=self.site.here(request),
        )

    async def replay(self, request: Request) -> Response:
        """Have what failed delivered again, and what is put off at once."""
        name = self._known(request.path_params["name"]).webhook.name
        self.site.check(request, await self.site.form(request), _replaying(name))
        await self.site.opened().ledger.webhooks.replay(name)
        return self.site.see(WEBHOOKS)

    def _known(self, name: str) -> _WebhookCard:
        for webhook in self.site.source.current.now().webhooks:
            if webhook.name == name:
                return self._shown(webhook)
        raise InvalidArgument("There is no such webhook.", "Choose one of the list.")


def _replaying(name: str) -> str:
    return f"replay {name}"


WEBHOOK_PAGES: Final = FeaturePages((NavigationEntry(WEBHOOKS, "Webhooks"),), webhook_routes)
"""The webhook pages of an account."""
