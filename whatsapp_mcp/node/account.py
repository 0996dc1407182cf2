"""`NodeAccount`: an account that this node leads, from taking it over to giving it up."""

from __future__ import annotations

import logging
import sqlite3
from functools import partial
from typing import Final, Literal

import anyio
import anyio.to_thread

from whatsapp_mcp.errors import WhatsAppError, cause
from whatsapp_mcp.fleet.database import (
    AccountRow,
    Session,
    connect,
    note_failure,
    note_stable,
    quarantine,
    release,
)
from whatsapp_mcp.fleet.keys import Login, fence, prepare
from whatsapp_mcp.fleet.protocol import STABLE, Lease
from whatsapp_mcp.node.context import NodeContext
from whatsapp_mcp.storage import Fenced, Rewound, StorageError, Unavailable

LOOK: Final = 0.2
"""Seconds between two looks at the lease."""
_CRASHED: Final = "The process of its leader ended."
_REWOUND: Final = (
    "The database lacks what it had confirmed. The keys may have been used since: link it again."
)

logger = logging.getLogger(__name__)

LeadState = Literal["taking", "leading", "offline"]


class NodeAccount:
    """One account on this node, in one epoch.

    Args:
        context: The node.
        row: The account as the node decided to take it.

    Attributes:
        name: Of the account.
        state: How far it is; `offline` when nothing more is done for it.
        epoch: Of this leadership.
    """

    def __init__(self, context: NodeContext, row: AccountRow) -> None:
        self._context = context
        self._row = row
        self.name: Final = row.account
        self.epoch: Final = row.epoch + 1
        self.state: LeadState = "taking"
        self._ending = anyio.Event()

    def end(self) -> None:
        """Give the account up; `lead` returns once another run may take it."""
        self._ending.set()

    async def lead(self) -> None:
        """Take the account over and lead it until `end`, the end of the lease, a newer leader, or a failure.

        What it fails with is noted in the database.
        """
        try:
            if not await self._may_begin():
                return
            async with self._context.logins:
                login = await anyio.to_thread.run_sync(self._fence)
            if login is None:
                return
            await self._lead(login)
        except Fenced:
            logger.warning("node: %s has a newer leader", self.name)
        except Unavailable as error:
            logger.warning("node: %s is not led for now: %s", self.name, error)
        except Rewound as error:
            logger.exception("node: %s is quarantined", self.name)
            await self._note(partial(quarantine, account=self.name, reason=f"{_REWOUND} ({error})"))
        except (StorageError, WhatsAppError, OSError, sqlite3.Error) as error:
            logger.exception("node: leading %s has failed", self.name)
            await self._note(partial(note_failure, account=self.name, reason=_words(error)))
        finally:
            self.state = "offline"
        await self._release()

    async def _may_begin(self) -> bool:
        """Count it where the last leader was lost, as this account may be why; whether it need not rest."""
        if self._row.run is None or not self._row.run_ended:
            return True
        noted = partial(note_failure, account=self.name, reason=_CRASHED)
        pause = await self._context.calls.run(noted)
        return pause is not None and not pause.seconds

    def _fence(self) -> Login | None:
        context = self._context
        with connect(context.database) as session:
            prepare(session, self.name)
            return fence(session, context.database, self.name, self._row.lease, context.run.name)

    async def _lead(self, login: Login) -> None:
        await self._context.copies.end(self.name)  # its archive is the one that is led from here on
        self.state = "leading"
        logger.info("node: leading %s in epoch %d", self.name, self.epoch)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._become_stable)
            while not self._ending.is_set() and self._context.run.holds():
                with anyio.move_on_after(LOOK):
                    await self._ending.wait()
            tasks.cancel_scope.cancel()

    async def _become_stable(self) -> None:
        await anyio.sleep(STABLE)
        await self._note(partial(note_stable, account=self.name))

    async def _release(self) -> None:
        """Give up the lease, if this run has it still: another need not wait."""
        lease = Lease(self._context.run.name, self.epoch)
        await self._note(partial(_released, account=self.name, lease=lease))

    async def _note(self, work: partial[object]) -> None:
        try:
            await self._context.calls.run(work)
        except StorageError as error:
            logger.warning("node: what became of %s could not be noted: %s", self.name, error)


def _released(session: Session, account: str, lease: Lease) -> None:
    release(session, account, lease)


def _words(error: Exception) -> str:
    """Why, for an operator: what this program says, or the kind of another's error."""
    if isinstance(error, OSError):
        return cause(error)
    return str(error) if isinstance(error, (StorageError, WhatsAppError)) else type(error).__name__
