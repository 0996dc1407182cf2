"""Answers of the admin API: the shapes of its JSON."""

from __future__ import annotations

from datetime import UTC

from typing_extensions import TypedDict

from whatsapp_fleet.tenancy import AccountOverview, NodeOverview, PrincipalRow
from whatsapp_mcp.models import LeaderFigures
from whatsapp_mcp.server.render import LinkData, StatusData, rfc3339, stamp


class LagData(TypedDict):
    """Lag of the archive; `waiting` counts events that are in the journal and not in the archive yet."""

    journaled: int
    archived: int
    waiting: int
    stalled_seconds: float


class AccountData(TypedDict):
    """An account of the fleet, as its database has it.

    `leader` is the node that leads it. `not_before` is when a node tries it again after `failures` in a row.
    """

    name: str
    state: str
    reason: str
    leader: str | None
    epoch: int
    failures: int
    not_before: str | None
    journaled: int
    logged: int
    settings: str


class WatchedData(AccountData):
    """An account, and what its leader says of it: null where there is none, or it does not answer."""

    connection: StatusData | None
    lag: LagData | None


class AccountsData(TypedDict):
    """The accounts of the fleet."""

    accounts: list[AccountData]


class RemovedData(TypedDict):
    """An account that was forgotten, and what is left of it in the database: nothing."""

    removed: str
    remains: list[str]


class NodeData(TypedDict):
    """A node that runs."""

    node: str
    run: str
    address: str
    accounts: int
    capacity: int
    draining: bool
    since: str


class NodesData(TypedDict):
    """The nodes of the fleet."""

    nodes: list[NodeData]


class PrincipalData(TypedDict):
    """Somebody who may use accounts; `accounts` is null for all of them."""

    name: str
    accounts: list[str] | None
    scopes: list[str]
    calls_per_minute: int | None
    created_at: str
    revoked_at: str | None


class PrincipalsData(TypedDict):
    """Everybody who may use accounts, or might once."""

    principals: list[PrincipalData]


class CreatedData(PrincipalData):
    """A new principal; its token is shown this once. A user of the OAuth issuer has none."""

    token: str | None


class LinkingData(TypedDict):
    """Progress of linking, with the picture of the QR code: a PNG in base64.

    A request with `revision` as `after` waits for the next state.
    """

    link: LinkData
    revision: int
    png: str | None


def account_data(row: AccountOverview) -> AccountData:
    """An account as JSON."""
    return AccountData(
        name=row.name,
        state=row.state,
        reason=row.reason,
        leader=row.node,
        epoch=row.epoch,
        failures=row.failures,
        not_before=rfc3339(row.not_before, UTC),
        journaled=row.journaled,
        logged=row.logged,
        settings=row.settings,
    )


def lag_data(figures: LeaderFigures) -> LagData:
    """Return the leader's figures of its archive, as JSON."""
    return LagData(
        journaled=figures.journaled,
        archived=figures.archived,
        waiting=max(0, figures.journaled - figures.archived),
        stalled_seconds=round(figures.journal_stalled, 3),
    )


def node_data(row: NodeOverview) -> NodeData:
    """A node as JSON."""
    return NodeData(
        node=row.node,
        run=row.run,
        address=row.address,
        accounts=row.leads,
        capacity=row.capacity,
        draining=row.draining,
        since=stamp(row.since, UTC),
    )


def principal_data(row: PrincipalRow) -> PrincipalData:
    """A principal as JSON."""
    return PrincipalData(
        name=row.name,
        accounts=row.accounts,
        scopes=row.scopes,
        calls_per_minute=row.calls_per_minute,
        created_at=stamp(row.created_at, UTC),
        revoked_at=rfc3339(row.revoked_at, UTC),
    )
