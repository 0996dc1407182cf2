"""Copies of accounts that a node does not lead: it follows their logs, and answers reads from them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio
from anyio.abc import TaskGroup

from whatsapp_fleet.database import Reader
from whatsapp_fleet.node.admin import take_folder
from whatsapp_fleet.node.following import Following, following
from whatsapp_fleet.node.run import NodeContext
from whatsapp_fleet.node.services import copied_services, keep_open, runtime_of
from whatsapp_mcp.device.supervise import supervised
from whatsapp_mcp.errors import WhatsAppError

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Answered:
    """An account that is answered from its files.

    Attributes:
        left: Until when this node has led it; None if the files come from its log alone.
    """

    left: datetime | None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    closed: anyio.Event = field(default_factory=anyio.Event)


class Copies:
    """The copies of one node.

    Args:
        tasks: Keeps them open.
        context: The node.
        followed: Those whose logs are followed.
    """

    def __init__(self, tasks: TaskGroup, context: NodeContext, followed: Following) -> None:
        self._tasks = tasks
        self._context = context
        self._followed = followed
        self._answered: dict[str, _Answered] = {}
        self._ending: set[str] = set()

    @property
    def accounts(self) -> frozenset[str]:
        """Names of the accounts whose logs are followed."""
        return self._followed.accounts

    @property
    def in_use(self) -> frozenset[str]:
        """Names of accounts with open files: followed, or answered from what was led here."""
        return self._followed.accounts | self._answered.keys()

    def as_of(self, account: str) -> float | None:
        """Return a moment at which the copy had the whole log; see `Following.as_of`."""
        return self._followed.as_of(account)

    async def keep(self, accounts: Collection[str]) -> None:
        """Follow the logs of these accounts, and answer for them; of any other all is closed soon."""
        for account in {*self._followed.accounts, *self._answered} - {*accounts} - self._ending:
            self._ending.add(account)
            self._tasks.start_soon(self._end_soon, account)
        for account in {*accounts} - self._ending:
            if account not in self._followed.accounts:
                try:
                    take_folder(
                        self._context.settings.account_folder(account), self._context.made.get(account, "")
                    )
                except WhatsAppError as error:
                    logger.warning("node: no copy of %s can be kept: %s", account, error)
                    continue
                self._followed.begin(account)
            elif self._followed.as_of(account) is not None:
                self._answer(account, None)

    async def _end_soon(self, account: str) -> None:
        try:
            await self.end(account)
        finally:
            self._ending.remove(account)

    def answer(self, account: str) -> None:
        """Answer from the files of an account that this node led until now.

        What has come to the account since the database last answered may be missing already.
        """
        run = self._context.run
        ago = self._context.clock() - run.confirmed_at()
        if math.isfinite(ago):  # another has ended the run otherwise, and this node begins again
            self._answer(account, datetime.now(UTC) - timedelta(seconds=ago))

    async def end(self, account: str) -> bool:
        """Close the files of an account; whether they had all that was in its log a moment ago."""
        is_warm = self._followed.as_of(account) is not None
        if answered := self._answered.get(account):
            answered.scope.cancel()
            await answered.closed.wait()
        await self._followed.end(account)
        return is_warm

    def _answer(self, account: str, left: datetime | None) -> None:
        if account not in self._answered:
            answered = self._answered[account] = _Answered(left)
            self._tasks.start_soon(self._keep_open, account, answered)

    async def _keep_open(self, account: str, answered: _Answered) -> None:
        def since() -> datetime:
            whole = self._followed.whole_at(account)
            if whole is not None:
                return datetime.now(UTC) - timedelta(seconds=time.monotonic() - whole)
            return answered.left or self._followed.written_at(account) or datetime.now(UTC)

        context = self._context
        runtime = runtime_of(context, account, context.current(account), copied_services, is_copy=True)
        try:
            with answered.scope, context.served.copied(account, runtime, since):
                await supervised(f"copy of {account}", partial(keep_open, context, runtime))
        finally:
            del self._answered[account]
            answered.closed.set()


@asynccontextmanager
async def open_copies(context: NodeContext, reader: Reader) -> AsyncIterator[Copies]:
    """The copies of a node until the end of the block, at first none.

    Args:
        context: The node.
        reader: Reads the database, with a patience of a few seconds.
    """
    async with (
        following(reader, context.settings.account_folder) as followed,
        anyio.create_task_group() as tasks,
    ):
        yield Copies(tasks, context, followed)
        tasks.cancel_scope.cancel()
