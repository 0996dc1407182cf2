"""Figures of an account at one moment, from its files and from its leader if one answers."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

import anyio
import anyio.to_thread

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.web.probes import asked, obstacle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from whatsapp_mcp.ledger import Ledger
    from whatsapp_mcp.models import ConnectionStatus, LeaderFigures, OpenSends
    from whatsapp_mcp.server.calls import CallMeter
    from whatsapp_mcp.settings import AccountFolder, CurrentSettings
    from whatsapp_mcp.web import Opened


class MeteredAccount(Protocol):
    """An account of this server."""

    @property
    def account(self) -> str:
        """The account's local name."""
        ...

    @property
    def current(self) -> CurrentSettings:
        """The settings, as `config.toml` says them now."""
        ...

    @property
    def meter(self) -> CallMeter:
        """Counts the calls."""
        ...

    def opened(self) -> Opened | None:
        """The account; None as long as the server is starting, or cannot open it."""
        ...


class Waiting(NamedTuple):
    """Approvals and webhook deliveries that need attention.

    Attributes:
        approvals: Questions that wait for a person.
        oldest_approval: When the oldest of them was asked.
        webhooks_failing: Webhooks whose receiver refuses the next event.
        events_failed: Events that were given up.
    """

    approvals: int = 0
    oldest_approval: datetime | None = None
    webhooks_failing: int = 0
    events_failed: int = 0


class Files(NamedTuple):
    """Disk usage of the account's folder, in bytes.

    Attributes:
        sizes: By the name of a database, its log included.
        quarantined: How many databases were quarantined.
        free: Free space of the file system.
        total: Size of the file system.
    """

    sizes: dict[str, int]
    quarantined: int
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """An account at one moment; None is what could not be told.

    Attributes:
        at: The moment.
        status: As the leader says it, or that none answers.
        leader: What only the leader knows.
    """

    account: str
    at: datetime
    meter: CallMeter
    files: Files | None = None
    status: ConnectionStatus | None = None
    leader: LeaderFigures | None = None
    sends: Sequence[OpenSends] | None = None
    waiting: Waiting | None = None

    @property
    def is_led(self) -> bool:
        """True if a leader answers."""
        return self.status is not None and self.status.state is not ConnectionState.OFFLINE

    @property
    def is_ready(self) -> bool:
        """True if the account can be used, by the rule of the readiness probe."""
        return obstacle(self.status, self.leader) is None

    @property
    def leads(self) -> bool:
        """True if this process leads the account."""
        return self.is_led and self.status is not None and self.status.leader_pid == os.getpid()


async def gather(accounts: Sequence[MeteredAccount]) -> list[AccountFigures]:
    """All accounts side by side, in their order."""
    figures: dict[int, AccountFigures] = {}

    async def one(number: int, account: MeteredAccount) -> None:
        figures[number] = await figures_of(account)

    async with anyio.create_task_group() as tasks:
        for number, account in enumerate(accounts):
            tasks.start_soon(one, number, account)
    return [figures[number] for number in range(len(accounts))]


async def figures_of(account: MeteredAccount) -> AccountFigures:
    """Collect the current figures of an account; values that no leader answers are None, never stale."""
    now = datetime.now(UTC)
    folder = account.current.now().account_folder(account.account)
    files = await anyio.to_thread.run_sync(_files, folder)
    opened = account.opened()
    if opened is None:
        return AccountFigures(account.account, now, account.meter, files)
    status, leader = await asked(account.account, opened)
    return AccountFigures(
        account.account,
        now,
        account.meter,
        files,
        status,
        leader,
        await _sends(opened),
        _waiting(opened.ledger, now),
    )


async def _sends(opened: Opened) -> Sequence[OpenSends] | None:
    try:
        return await opened.archive.open_sends()
    except WhatsAppError:
        return None


def _waiting(ledger: Ledger, now: datetime) -> Waiting | None:
    try:
        questions = ledger.approvals.open(now)
        webhooks = ledger.webhooks.names()
        progress = [entry for name in webhooks if (entry := ledger.webhooks.progress(name))]
        failed = sum(len(ledger.webhooks.failed(name)) for name in webhooks)
    except WhatsAppError:
        return None
    oldest = min((held.approval.created_at for held in questions), default=None)
    failing = sum(1 for each in progress if each.refusals or each.reason)
    return Waiting(len(questions), oldest, failing, failed)


def _files(folder: AccountFolder) -> Files | None:
    databases = (*folder.databases, folder.client_db)
    try:
        disk = shutil.disk_usage(folder.path)
        quarantined = sum(1 for path in databases if _quarantined(path).exists())
    except OSError:
        return None
    return Files({path.stem: _size(path) for path in databases}, quarantined, disk.free, disk.total)


def _quarantined(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged")


def _size(path: Path) -> int:
    total = 0
    for part in ("", "-wal"):
        try:
            total += path.with_name(path.name + part).stat().st_size
        except OSError:
            continue
    return total
