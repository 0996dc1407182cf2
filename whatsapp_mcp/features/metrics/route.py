"""`GET /metrics`: the figures of this server's accounts, for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata, util
from typing import TYPE_CHECKING, Final

import anyio.to_thread
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from whatsapp_mcp.features.metrics.gathering import gather
from whatsapp_mcp.server.calls import admitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from whatsapp_mcp.features.metrics.catalogue import Figures
    from whatsapp_mcp.features.metrics.gathering import AccountFigures, MeteredAccount

METRICS: Final = "/metrics"
SCOPE: Final = "metrics"
"""The scope that a token needs here; it opens nothing else."""
_NO_SCOPE: Final = "This token lacks the scope metrics: `whatsapp-mcp token create NAME --scope metrics`.\n"
_NO_LIBRARY: Final = "This server lacks the extra metrics; `whatsapp-mcp doctor` says how to add it.\n"


def metrics_routes(accounts: Sequence[MeteredAccount]) -> list[Route]:
    """The route of the figures of these accounts."""
    return [Route(METRICS, _Metrics(accounts).scrape, methods=["GET"])]


@dataclass(frozen=True, slots=True)
class _Metrics:
    accounts: Sequence[MeteredAccount]

    async def scrape(self, request: Request) -> Response:
        """All figures of the accounts that the principal may use, gathered now."""
        principal = admitted(request.scope)
        if principal is None or (principal.scopes is not None and SCOPE not in principal.scopes):
            return PlainTextResponse(_NO_SCOPE, 403)
        own = principal.accounts
        return await scraped([each for each in self.accounts if own is None or each.account in own], request)


async def scraped(
    accounts: Sequence[MeteredAccount], request: Request, further: Figures | None = None
) -> Response:
    """The answer to a scrape, gathered now.

    Args:
        accounts: Whose figures.
        request: Chooses between the formats.
        further: Beside those of accounts.
    """
    if util.find_spec("prometheus_client") is None:
        return PlainTextResponse(_NO_LIBRARY, 501)
    figures = await gather(accounts)
    accept = request.headers.get("accept", "")
    body, content_type = await anyio.to_thread.run_sync(_exposed, figures, accept, further)
    return Response(body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})


def _exposed(figures: Sequence[AccountFigures], accept: str, further: Figures | None) -> tuple[bytes, str]:
    from whatsapp_mcp.features.metrics.exposition import exposed

    return exposed(figures, metadata.version("neonize"), accept, further)
