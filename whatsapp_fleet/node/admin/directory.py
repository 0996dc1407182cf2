"""The principals of a fleet, as a replica knows them: a copy of the table, a second old at most.

A request waits for no database, so requests are admitted while it is away, by the copy. Nobody is given or
denied anything meanwhile, since only the database could say so.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from whatsapp_fleet.database import Database, Session
from whatsapp_fleet.tenancy import (
    SUBJECT,
    CallCounts,
    KeptSession,
    PrincipalRow,
    count_calls,
    hash_of,
    principal_rows,
)
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.server.calls import Principal
from whatsapp_mcp.storage import StorageError

REFRESH: Final = 1.0
"""Seconds between two looks: how long a principal that was revoked may still be admitted."""
KEPT: Final = 3600.0
"""Seconds for which a copy is used while the database does not answer."""
_MINUTE: Final = 60.0
_KIND: Final = "token:"
"""Begins the name of a principal with a token, as calls have it."""
_LONGEST: Final = 512
"""Characters of a token."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Copy:
    """The table at one moment.

    Attributes:
        taken: Moment of `monotonic`.
        by_hash: The principals with a token, by its hash.
        subjects: The users of the OAuth issuer, by the claim `sub`.
        limits: Requests in a minute, by the name of the principal as calls have it.
    """

    taken: float
    by_hash: dict[bytes, Principal]
    subjects: dict[str, Principal]
    limits: dict[str, int]


@dataclass
class DatabaseDirectory:
    """A `Directory` of the database's principals; `run` keeps it.

    How often a principal calls is counted in each minute of the database's clock. Replicas tell each other
    their counts with each refresh, so together they admit what one would, and what came within a refresh.

    Args:
        database: Where.
        replica: A name that no other replica has.
        monotonic: The time, in seconds.
    """

    database: Database
    replica: str = field(default_factory=lambda: secrets.token_hex(8))
    monotonic: Callable[[], float] = time.monotonic
    _copy: _Copy | None = None
    _minute: int = 0
    _ends: float = 0.0
    _counts: Counter[str] = field(default_factory=Counter[str])
    _elsewhere: dict[str, int] = field(default_factory=dict[str, int])

    def principal(self, token: str) -> Principal | None:
        """Return the principal of a bearer token; None if it is none, or was revoked.

        Raises:
            Busy: The database has not answered yet, or not for `KEPT` seconds.
        """
        return self._current().by_hash.get(hash_of(token)) if len(token) <= _LONGEST else None

    def subject(self, subject: str) -> Principal | None:
        """Return the principal of a user of the OAuth issuer; None if there is none.

        Raises:
            Busy: As `principal`.
        """
        return self._current().subjects.get(subject)

    @property
    def unknown_bearer(self) -> str:
        """The answer to an unknown bearer token: how an operator makes one."""
        return "A bearer token is needed; `whatsapp-mcp-fleet fleet admit NAME` makes one.\n"

    def take(self, principal: str) -> float:
        """Count one request of a principal; return 0, or the seconds until one may be answered."""
        limit = None if self._copy is None else self._copy.limits.get(principal)
        if limit is None:
            return 0.0
        now = self.monotonic()
        if now >= self._ends:
            # The database has not said yet that its minute is over; it does with the next refresh.
            self._begin_minute(self._minute + 1, now + _MINUTE)
        if self._counts[principal] + self._elsewhere.get(principal, 0) >= limit:
            return self._ends - now
        self._counts[principal] += 1
        return 0.0

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the copy until cancelled; while the database does not answer, it stays as it is.

        It has started once there is a copy.
        """
        kept, is_away, has_started = KeptSession(self.database), False, False
        try:
            while True:
                try:
                    await self._follow(kept)
                    if not has_started:
                        task_status.started()
                    is_away, has_started = False, True
                except StorageError as error:
                    if not is_away:
                        logger.warning("directory: the principals cannot be read: %s", error)
                    is_away = True
                await anyio.sleep(REFRESH)
        finally:
            kept.close()

    async def _follow(self, kept: KeptSession) -> None:
        ask = partial(_asked, self.replica, dict(self._counts), self._minute)
        # Shielded: the connection is closed by this task, which waits until the thread has done with it.
        with anyio.CancelScope(shield=True):
            self.take_up(*await anyio.to_thread.run_sync(kept.run, ask))

    def refresh(self, session: Session) -> None:
        """Take a new copy, tell the other replicas what was counted here, and hear what was there."""
        self.take_up(*_asked(self.replica, dict(self._counts), self._minute, session))

    def take_up(self, rows: list[PrincipalRow], heard: CallCounts) -> None:
        """Go by what the database has answered."""
        self._copy = _copy_of(rows, self.monotonic())
        self._hear(heard)

    def _hear(self, heard: CallCounts) -> None:
        ends = self.monotonic() + heard.left
        if heard.minute != self._minute:
            self._begin_minute(heard.minute, ends)
        self._ends = ends
        self._elsewhere = {
            name if name.startswith(SUBJECT) else f"{_KIND}{name}": count
            for name, count in heard.elsewhere.items()
        }

    def _begin_minute(self, minute: int, ends: float) -> None:
        self._minute, self._ends = minute, ends
        self._counts.clear()
        self._elsewhere = {}

    def _current(self) -> _Copy:
        if self._copy is None or self.monotonic() - self._copy.taken > KEPT:
            raise Busy("The database that says who may use this server does not answer.", retry_after=10)
        return self._copy


def _asked(
    replica: str, counts: dict[str, int], minute: int, session: Session
) -> tuple[list[PrincipalRow], CallCounts]:
    counted = {name.removeprefix(_KIND): count for name, count in counts.items()}
    return principal_rows(session), count_calls(session, replica, counted, minute)


def _copy_of(rows: list[PrincipalRow], taken: float) -> _Copy:
    copy = _Copy(taken, {}, {}, {})
    for row in rows:
        if row.revoked_at is not None:
            continue
        is_subject = row.name.startswith(SUBJECT)
        accounts = None if row.accounts is None else frozenset(row.accounts)
        principal = Principal(
            row.name if is_subject else f"{_KIND}{row.name}", frozenset(row.scopes), accounts
        )
        if is_subject:
            copy.subjects[row.name.removeprefix(SUBJECT)] = principal
        elif row.token_hash is not None:
            copy.by_hash[row.token_hash] = principal
        if row.calls_per_minute is not None:
            copy.limits[principal.name] = row.calls_per_minute
    return copy
