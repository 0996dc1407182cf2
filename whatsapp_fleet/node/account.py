"""`NodeAccount`: an account that this node leads, from taking it over to giving it up.

`opened_storage` opens what one leadership has of the account in the database, and closes it at its end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import replace
from functools import partial
from typing import Final, Literal

import anyio
import anyio.to_thread
import psycopg

from whatsapp_fleet.database import (
    AccountRow,
    Database,
    Link,
    PostgresFiles,
    PostgresJournal,
    PostgresLog,
    PostgresSmallFile,
    PostgresSnapshots,
    PostgresStatements,
    Session,
    connect,
    lease_of,
    note_crash,
    note_failure,
    note_stable,
    note_unsupported,
    quarantine,
    release,
)
from whatsapp_fleet.keys import (
    Login,
    PostgresKeys,
    fence,
    journal_address,
    keys_address,
    prepare,
    terminate_backends,
)
from whatsapp_fleet.node.admin import take_folder
from whatsapp_fleet.node.run import NodeContext
from whatsapp_fleet.node.services import led_services
from whatsapp_fleet.protocol import STABLE, Lease
from whatsapp_mcp import archive, ledger
from whatsapp_mcp.archive import LogStorage
from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.device.leader import (
    LeaderAccount,
    LeaderLease,
    LeaderLock,
    LedStorage,
    background_tasks,
    lead_account,
)
from whatsapp_mcp.device.operations import Devices, control
from whatsapp_mcp.errors import Busy, Unsupported, WhatsAppError, cause
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.server.runtime import Runtime
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import Fenced, LedgerStorage, Refused, Rewound, StorageError, Unavailable

LeadState = Literal["taking", "leading", "ending"]

_CRASHED: Final = "The process of its leader ended."
REWOUND: Final = "The database lacks what it had confirmed. The keys may have been used since: link it again."
"""Why an account is quarantined on a database that was restored, or failed over to a wrong standby."""
LOGIN_LIMIT: Final = 5.0
"""Seconds for which an account that logs in keeps others from it."""
_QUARANTINE_LIMIT: Final = 10.0
"""Seconds for which a quarantine that the database does not take is tried again."""
_LOOK: Final = 0.1
_ON_THE_WAY: Final = (ConnectionState.CONNECTING, ConnectionState.RECONNECTING)
_RECORD: Final = "link.json"
_APPROVAL_KEY: Final = "approval.key"

logger = logging.getLogger(__name__)


class NodeAccount:
    """One account on this node, in one epoch.

    Args:
        context: The node.
        row: The account as the node decided to take it.

    Attributes:
        name: Of the account.
        epoch: Of this leadership.
        state: How far it is.
        runtime: Its services, while it is led.
        last_takeover_seconds: From the decision to take it until it was led; None before.
    """

    def __init__(self, context: NodeContext, row: AccountRow) -> None:
        self._context = context
        self._row = row
        self._seen = row.lease
        self.name: Final = row.account
        self.epoch: Final = row.epoch + 1
        self.state: LeadState = "taking"
        self.runtime: Runtime | None = None
        self.last_takeover_seconds: float | None = None
        self._failures = row.failures
        self._decided = context.clock()
        self._ending = anyio.Event()

    def end(self) -> None:
        """Give the account up; `lead` returns once another run may take it."""
        self._ending.set()

    async def lead(self, began: Callable[[], None], ended: Callable[[], None]) -> StorageError | None:
        """Take the account over and lead it until `end`, the end of the lease, a newer leader, or a failure.

        Args:
            began: Called when it is led.
            ended: Called when nothing more is done for the account, and its files are not closed yet.

        Returns:
            Why it ended, if not because of `end`. What it fails with is noted in the database.
        """
        reason: StorageError | None = None
        try:
            if await self._may_begin():
                reason = await self._take(began, ended)
        except StorageError as error:
            reason = error
        except Unsupported as error:
            logger.warning("node: this version cannot lead %s: %s", self.name, error.message)
            await self._note(
                partial(note_unsupported, account=self.name, run=self._context.run.name, reason=error.message)
            )
        except Exception as error:
            logger.exception("node: leading %s has failed", self.name)
            await self._note_failure(_words(error))
        finally:
            self.state = "ending"
            with anyio.CancelScope(shield=True):
                await self._settle(reason)
        return reason

    async def _settle(self, reason: StorageError | None) -> None:
        """Note why it ended, and give up the lease if this run has it still: another need not wait."""
        match reason:
            case None:
                pass
            case Fenced() | Unavailable():
                logger.warning("node: %s is led no longer: %s", self.name, reason)
            case Rewound():
                logger.error("node: %s is quarantined: %s", self.name, reason)
                if not await self._quarantine(f"{REWOUND} {reason}"):
                    return  # nobody is to take it before its lease has ended
            case _:
                logger.error("node: leading %s has failed: %s", self.name, reason)
                await self._note_failure(str(reason))
        lease = Lease(self._context.run.name, self.epoch)
        await self._note(partial(_released, account=self.name, lease=lease))

    async def _quarantine(self, words: str) -> bool:
        """Quarantine the account in the database; whether it is.

        The files that show what the database lacks stay until then, and whoever leads on them ends as well.
        """
        with anyio.move_on_after(_QUARANTINE_LIMIT, shield=True):
            while not await self._note(partial(quarantine, account=self.name, reason=words)):  # noqa: ASYNC110
                await anyio.sleep(_LOOK)
            folder = self._context.settings.account_folder(self.name)
            for each in (archive, ledger):
                await anyio.to_thread.run_sync(each.set_aside, folder)
            return True
        return False

    async def _may_begin(self) -> bool:
        """Count it where the last leader was lost, as this account may be why; whether it need not rest."""
        if not self._row.run_ended:
            return True
        noted = partial(note_crash, account=self.name, lease=self._seen, reason=_CRASHED)
        pause = await self._context.calls.run(noted)
        self._failures += 1
        self._seen = Lease(None, self._seen.epoch)
        return pause is not None and not pause.seconds

    async def _take(self, began: Callable[[], None], ended: Callable[[], None]) -> StorageError | None:
        context = self._context
        folder = context.settings.account_folder(self.name)
        await anyio.to_thread.run_sync(folder.vault.unlock)
        await anyio.to_thread.run_sync(take_folder, folder, self._row.made)
        lock = LeaderLock(folder)
        if not lock.acquire():
            raise Busy(f"Another process on this machine leads {self.name} (process {lock.holder()}).")
        try:
            async with background_tasks() as tasks:
                with anyio.CancelScope() as taking:
                    tasks.start_soon(self._give_up_taking, taking)
                    await context.logins.acquire_on_behalf_of(self)
                    login = await anyio.to_thread.run_sync(self._fence)
                    return None if login is None else await self._lead(folder, login, began, ended)
        finally:
            self._logged_in()
            lock.release()
        return None

    async def _give_up_taking(self, taking: anyio.CancelScope) -> None:
        """Cancel a takeover at once when the account is given up; a led account ends in order."""
        await self._ending.wait()
        if self.state == "taking":
            taking.cancel()

    def _fence(self) -> Login | None:
        context = self._context
        try:
            with connect(context.database) as session:
                prepare(session, self.name)
                return fence(session, context.database, self.name, self._seen, context.run.name)
        except psycopg.OperationalError:
            raise Unavailable("The database does not answer.") from None

    async def _lead(
        self, folder: AccountFolder, login: Login, began: Callable[[], None], ended: Callable[[], None]
    ) -> StorageError | None:
        context, current = self._context, self._context.current(self.name)
        lease = LeaderLease(context.run.until, context.run.times.ttl)
        days = current.now().retention.days
        async with (
            opened_storage(context.database, self.name, login, self.epoch, lease, context.copying) as storage,
            lead_account(folder, current, storage, retention_days=days) as led,
        ):
            self.state = "leading"
            self.last_takeover_seconds = context.clock() - self._decided
            logger.info("node: leading %s in epoch %d", self.name, self.epoch)
            began()
            async with (
                led_services(context, folder, current, led) as self.runtime,
                background_tasks() as tasks,
            ):
                tasks.start_soon(self._await_login, await self.runtime.devices())
                tasks.start_soon(self._become_stable)
                reason = await self._until_ended(led)
            self.runtime = None
            ended()
        return reason

    async def _until_ended(self, led: LeaderAccount) -> StorageError | None:
        reasons: list[StorageError] = []

        async def wait() -> None:
            reasons.append(await led.wait_ended())
            self._ending.set()

        async with background_tasks() as tasks:
            tasks.start_soon(wait)
            await self._ending.wait()
        return reasons[0] if reasons else None

    async def _await_login(self, devices: Devices) -> None:
        with anyio.move_on_after(LOGIN_LIMIT):
            while True:
                async with devices.use() as device:
                    if (await device.do(control.status)).state not in _ON_THE_WAY:
                        break
                await anyio.sleep(_LOOK)
        self._logged_in()

    def _logged_in(self) -> None:
        """Let the next account log in."""
        with suppress(RuntimeError):  # it has been let in already
            self._context.logins.release_on_behalf_of(self)

    async def _become_stable(self) -> None:
        await anyio.sleep(STABLE)
        if await self._note(partial(note_stable, account=self.name, run=self._context.run.name)):
            self._failures = 0

    async def _note_failure(self, reason: str) -> None:
        run = self._context.run.name
        failed = partial(note_failure, account=self.name, run=run, reason=reason, before=self._failures)
        await self._note(failed)

    async def _note(self, work: Callable[[Session], object]) -> bool:
        """Write down what became of the account, unless the database is out of reach for long already.

        Returns:
            Whether it is written down.
        """
        if not self._context.run.holds():
            return False
        try:
            await self._context.calls.run(work)
        except StorageError as error:
            logger.warning("node: what became of %s could not be noted: %s", self.name, error)
            return False
        return True


def _released(session: Session, account: str, lease: Lease) -> None:
    release(session, account, lease)


def _words(error: Exception) -> str:
    """Why, for an operator: what this program says, or the kind of another's error."""
    if isinstance(error, OSError):
        return cause(error)
    return error.message if isinstance(error, WhatsAppError) else type(error).__name__


@asynccontextmanager
async def opened_storage(
    database: Database,
    account: str,
    login: Login,
    epoch: int,
    lease: LeaderLease,
    copying: anyio.CapacityLimiter | None = None,
) -> AsyncIterator[LedStorage]:
    """The storage of an account for its leader, as `lead_account` takes it.

    Args:
        database: Where.
        account: Whose keys are fenced (`fleet.keys.fence`).
        login: What `fence` has answered.
        epoch: Of this leadership.
        lease: Until when it may act.
        copying: See `LogStorage`.
    """
    stopped = threading.Event()
    database = replace(database, stopped=stopped.is_set)
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(PostgresLog(database, account, epoch))
        journal = stack.enter_context(PostgresJournal(database, account, epoch))
        statements = stack.enter_context(PostgresStatements(database, account, epoch))
        now_and_then = stack.enter_context(Link(database))
        snapshots = PostgresSnapshots(now_and_then, account, epoch)
        files = await stack.enter_async_context(PostgresFiles(database, account, epoch))
        record, key = (
            PostgresSmallFile(now_and_then, account, name, epoch) for name in (_RECORD, _APPROVAL_KEY)
        )
        keys = stack.enter_context(closing(PostgresKeys(database, login)))
        address = partial(_client_storage, database, account, login, epoch)
        yield LedStorage(
            LogStorage(log, journal, snapshots, copying),
            keys,
            partial(anyio.to_thread.run_sync, address),
            record,
            LedgerStorage(statements, key),
            files,
            lease,
            stopped.set,
        )


def _client_storage(database: Database, account: str, login: Login, epoch: int) -> ClientStorage:
    """End what the former client has left in the database; where the next one goes.

    Raises:
        Fenced: The account has a newer leader, whose client is left alone.
        Refused: The database refuses a statement.
        Unavailable: The database does not answer.
    """
    try:
        with connect(database) as session:
            lease = lease_of(session, account)
            if lease is None or lease.epoch != epoch:
                raise Fenced("A newer leader of the account has raised its epoch.")
            terminate_backends(session, database, account)
            journal = journal_address(
                session, login, account, epoch, allow_asynchronous=database.allow_asynchronous
            )
            return ClientStorage(keys_address(session, login), journal)
    except psycopg.OperationalError:
        raise Unavailable("The database does not answer.") from None
    except psycopg.Error as error:
        raise Refused(f"The database refused a statement (SQLSTATE {error.sqlstate}).") from None
