"""`GET /metrics` of a replica: what it knows by itself, for Prometheus. Nodes tell of what they lead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from whatsapp_fleet.node.replicas.directory import FleetDirectory
from whatsapp_fleet.node.replicas.fleet_accounts import FleetAccounts
from whatsapp_mcp.features.metrics import ACCOUNT, Figures, Metric, scraped
from whatsapp_mcp.server.calls import admitted

SCOPE: Final = "metrics"
"""The scope that a token needs here."""
LEADER_UP: Final = Metric(
    "replica_leader_up",
    "gauge",
    "Whether a node leads the account, as last read.",
    (ACCOUNT,),
)
DATABASE_UP: Final = Metric("replica_database_up", "gauge", "Whether the database answered the last look.")
CALLS: Final = Metric(
    "replica_calls_total", "counter", "Calls that came to the replica.", (ACCOUNT, "tool", "outcome")
)
REPLICA_METRICS: Final = (DATABASE_UP, LEADER_UP, CALLS)
"""All of them."""


@dataclass(frozen=True, slots=True)
class ReplicaFigures:
    """Metrics of a replica's accounts."""

    accounts: FleetAccounts
    directory: FleetDirectory

    def route(self) -> Route:
        """The route."""
        return Route("/metrics", self.scrape, methods=["GET"])

    async def scrape(self, request: Request) -> Response:
        """The figures of the accounts that the principal may use."""
        principal = admitted(request.scope)
        if principal is None or (principal.scopes is not None and SCOPE not in principal.scopes):
            return PlainTextResponse("This token lacks the scope metrics.\n", 403)
        return await scraped([], request, self.told(principal.accounts))

    def told(self, seen: frozenset[str] | None) -> Figures:
        """The values now, of these accounts or of all."""
        sources = {name: each for name, each in self.accounts.sources.items() if seen is None or name in seen}
        return {
            DATABASE_UP: {(): float(self.directory.is_current)},
            LEADER_UP: {(name,): float(self.directory.leader(name) is not None) for name in sources},
            CALLS: {
                (name, *key): float(count)
                for name, source in sources.items()
                for key, count in source.meter.outcomes.items()
            },
        }
