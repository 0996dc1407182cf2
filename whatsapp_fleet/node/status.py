"""HTTP endpoints of a node for operators and machines: `/healthz`, `/readyz` and `/metrics`.

The metrics of the node come from its own process, those of the fleet from the database where it answers. The
port changes nothing, and asks for no token.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import uvicorn
from cryptography import x509
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from whatsapp_fleet.database import DatabaseCalls, Session
from whatsapp_fleet.settings import HostPort
from whatsapp_mcp.errors import InvalidArgument, cause
from whatsapp_mcp.features.metrics import ACCOUNT, Figures, Metric, Values, scraped
from whatsapp_mcp.storage import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from whatsapp_fleet.node.node import Node

NODE_LEASE: Final = Metric(
    "node_lease_seconds", "gauge", "How long this node may act unless its lease is renewed; 0 without one."
)
NODE_DATABASE: Final = Metric("node_database_up", "gauge", "Whether the database answers this node.")
NODE_COMMIT: Final = Metric(
    "node_commit_seconds",
    "gauge",
    "How long this node's last renewal took to commit, with the wait for the standby.",
)
NODE_CAPACITY: Final = Metric("node_capacity", "gauge", "How many accounts this node leads at most.")
NODE_ACCOUNTS: Final = Metric(
    "node_accounts", "gauge", "Accounts that this node leads, takes over or gives up, by state.", ("state",)
)
NODE_TAKEOVERS: Final = Metric(
    "node_takeovers_total",
    "counter",
    "Accounts that this node has taken over, with a copy of the archive (warm) or without (cold).",
    ("how",),
)
NODE_FENCED: Final = Metric(
    "node_fenced_total", "counter", "How often this node was refused by a newer leader of an account."
)
NODE_REWOUND: Final = Metric(
    "node_rewound_total", "counter", "How often the database lacked what it had confirmed to this node."
)
NODE_CERTIFICATE: Final = Metric(
    "node_certificate_expires_timestamp_seconds", "gauge", "When this node's certificate expires."
)
TAKEOVER_SECONDS: Final = Metric(
    "account_takeover_seconds", "gauge", "How long the last takeover of the account has taken.", (ACCOUNT,)
)
EPOCH: Final = Metric(
    "account_epoch", "gauge", "Number of the account's leaderships; grows with each takeover.", (ACCOUNT,)
)
LOG_ROWS: Final = Metric(
    "log_rows_since_snapshot",
    "gauge",
    "Operations that a node without a copy would apply after the newest snapshot.",
    (ACCOUNT,),
)
COPY_AGE: Final = Metric(
    "copy_age_seconds",
    "gauge",
    "How old this node's copy of an account is.",
    (ACCOUNT,),
)
FLEET_NODES: Final = Metric("fleet_nodes", "gauge", "Nodes whose leases have not ended.")
FLEET_CAPACITY: Final = Metric("fleet_capacity", "gauge", "How many accounts these nodes lead at most.")
FLEET_ACCOUNTS: Final = Metric("fleet_accounts", "gauge", "Accounts in the database, by state.", ("state",))
FLEET_UNLED: Final = Metric(
    "fleet_accounts_without_leader", "gauge", "Active accounts that no node leads and that need not rest."
)
FLEET_RESTING: Final = Metric(
    "fleet_accounts_backing_off", "gauge", "Active accounts that rest after failures of their leaders."
)
STANDBYS: Final = Metric(
    "database_synchronous_standbys",
    "gauge",
    "Synchronous standbys of the database; needs a role with `pg_read_all_stats`.",
)

FLEET_METRICS: Final = tuple(value for value in vars().copy().values() if isinstance(value, Metric))
"""All of them, in the order in which they are declared."""


_COUNT_RUNS: Final = """
SELECT count(*)::int, coalesce(sum(capacity) FILTER (WHERE NOT draining), 0)::int
FROM whatsapp_mcp.runs WHERE NOT ended
"""
_COUNT_ACCOUNTS: Final = """
SELECT state, count(*)::int,
    (count(*) FILTER (WHERE not_before <= now() AND (run IS NULL OR ended)))::int,
    (count(*) FILTER (WHERE not_before > now()))::int
FROM whatsapp_mcp.accounts JOIN whatsapp_mcp.leases USING (account) LEFT JOIN whatsapp_mcp.runs USING (run)
GROUP BY state
"""
_READ_LED: Final = """
SELECT account, leases.epoch, heads.seq - coalesce(snapshot_pointers.seq, 0)
FROM whatsapp_mcp.leases JOIN whatsapp_mcp.heads USING (account)
LEFT JOIN whatsapp_mcp.snapshot_pointers USING (account)
WHERE stream = 'log' AND run = %s
"""
_COUNT_STANDBYS: Final = """
SELECT CASE WHEN pg_has_role('pg_read_all_stats', 'usage')
    THEN (SELECT count(*)::int FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) END
"""
_STATES: Final = ("taking", "leading", "offline")
_ACCOUNT_STATES: Final = ("active", "drained", "quarantined", "moved")
_HOW: Final = ("warm", "cold")
_CONNECTIONS: Final = 32


class LedFigures(NamedTuple):
    """An account that a run leads.

    Attributes:
        account: Its name.
        epoch: Of its lease.
        log_rows: Operations after the newest snapshot.
    """

    account: str
    epoch: int
    log_rows: int


class StateFigures(NamedTuple):
    """The accounts in one state.

    Attributes:
        state: As in `AccountRow`.
        accounts: How many.
        unled: How many of them nobody leads though they are due.
        resting: How many of them rest after failures.
    """

    state: str
    accounts: int
    unled: int
    resting: int


class DatabaseFigures(NamedTuple):
    """A fleet at one moment.

    Attributes:
        runs: Runs that have not ended.
        capacity: How many accounts those lead at most that are not draining.
        states: The accounts, by state.
        led: Those that one run leads.
        standbys: Synchronous standbys; None if the role may not see them.
    """

    runs: int
    capacity: int
    states: list[StateFigures]
    led: list[LedFigures]
    standbys: int | None


def _database_figures(session: Session, run: str) -> DatabaseFigures:
    """The figures now; `led` is of this run."""
    runs = session.execute(_COUNT_RUNS).fetchone()
    standbys = session.execute(_COUNT_STANDBYS).fetchone()
    assert runs is not None
    assert standbys is not None
    states = [StateFigures(*row) for row in session.execute(_COUNT_ACCOUNTS)]
    led = [LedFigures(*row) for row in session.execute(_READ_LED, [run])]
    return DatabaseFigures(runs[0], runs[1], states, led, standbys[0])


def _fleet_figures(node: Node, database: DatabaseFigures | None) -> Figures:
    """All that can be told now.

    Args:
        node: This one.
        database: What the database says; None if it does not answer.
    """
    metrics = _of_process(node) | {NODE_DATABASE: _one(database is not None)}
    return metrics if database is None else metrics | _of_database(database)


def _of_process(node: Node) -> dict[Metric, Values]:
    context = node.context
    states = Counter(account.state for account in node.accounts.values())
    took = {
        (name,): account.last_takeover_seconds
        for name, account in node.accounts.items()
        if account.last_takeover_seconds is not None
    }
    now = time.monotonic()
    metrics: dict[Metric, Values] = {
        NODE_LEASE: _one(max(0.0, context.run.until() - context.clock())),
        NODE_CAPACITY: _one(context.settings.node.accounts),
        NODE_ACCOUNTS: {(state,): float(states[state]) for state in _STATES},
        NODE_TAKEOVERS: {(how,): float(node.takeovers[how]) for how in _HOW},
        NODE_FENCED: _one(node.fenced),
        NODE_REWOUND: _one(node.rewound),
        TAKEOVER_SECONDS: took,
        COPY_AGE: {
            (name,): max(0.0, now - as_of)
            for name in node.copies.accounts
            if (as_of := node.copies.as_of(name)) is not None
        },
    }
    if context.run.commit_seconds is not None:
        metrics[NODE_COMMIT] = _one(context.run.commit_seconds)
    certificate = context.settings.node.certificate
    if certificate is not None and (expires := _expiry(certificate)) is not None:
        metrics[NODE_CERTIFICATE] = _one(expires)
    return metrics


def _of_database(figures: DatabaseFigures) -> dict[Metric, Values]:
    states = {each.state: each for each in figures.states}
    counts = {(state,): float(states[state].accounts if state in states else 0) for state in _ACCOUNT_STATES}
    active = states.get("active")
    metrics: dict[Metric, Values] = {
        EPOCH: {(each.account,): float(each.epoch) for each in figures.led},
        LOG_ROWS: {(each.account,): float(each.log_rows) for each in figures.led},
        FLEET_NODES: _one(figures.runs),
        FLEET_CAPACITY: _one(figures.capacity),
        FLEET_ACCOUNTS: counts,
        FLEET_UNLED: _one(active.unled if active else 0),
        FLEET_RESTING: _one(active.resting if active else 0),
    }
    if figures.standbys is not None:
        metrics[STANDBYS] = _one(figures.standbys)
    return metrics


def _one(value: float) -> Values:
    return {(): float(value)}


def _expiry(certificate: Path) -> float | None:
    """When the certificate in a PEM file expires; None if the file cannot be read."""
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.timestamp()
    except (OSError, ValueError):
        return None


class NodeStatus:
    """Answers for whichever run the process has.

    Args:
        calls: The database, which is asked at each scrape; with a patience of a few seconds.

    Attributes:
        node: The node while it has a run.
    """

    def __init__(self, calls: DatabaseCalls) -> None:
        self._calls = calls
        self.node: Node | None = None

    async def serve(self, place: HostPort) -> None:
        """Answer at that place until cancelled.

        Raises:
            InvalidArgument: The place cannot be used.
        """
        with _bound(place) as listener:
            config = uvicorn.Config(
                Starlette(routes=self.routes()),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_CONNECTIONS,
            )
            server = uvicorn.Server(config)
            await server._serve(sockets=[listener])  # pyright: ignore[reportPrivateUsage]  serve() takes signals

    def routes(self) -> list[Route]:
        """The paths that are answered."""
        return [
            Route("/healthz", self._health),
            Route("/readyz", self._ready),
            Route("/metrics", self._scraped),
        ]

    async def _health(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _ready(self, _request: Request) -> Response:
        """Answer whether this node may lead accounts now."""
        if self.node is None:
            return PlainTextResponse("not ready: the node has no run\n", 503)
        if not self.node.context.run.holds():
            return PlainTextResponse("not ready: the lease is not renewed\n", 503)
        return PlainTextResponse("ready\n")

    async def _scraped(self, request: Request) -> Response:
        if self.node is None:
            return PlainTextResponse("The node has no run.\n", 503)
        figures = _fleet_figures(self.node, await self._asked(self.node))
        return await scraped(self.node.runtimes(), request, figures)

    async def _asked(self, node: Node) -> DatabaseFigures | None:
        try:
            return await self._calls.run(partial(_database_figures, run=node.context.run.name))
        except StorageError:
            return None


def _bound(place: HostPort) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        return socket.create_server(place, family=family)
    except OSError as error:
        raise InvalidArgument(
            f"{place} cannot be used for the status of the node: {cause(error)}",
            "Set node.status to another place, or to nothing.",
        ) from error
