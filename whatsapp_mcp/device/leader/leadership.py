"""A leadership: what features do in it, and how it ends, once and for a reason."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

import anyio

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.client.protocol import LEADER_GONE_SECONDS
from whatsapp_mcp.device.files import NO_READERS, Readers
from whatsapp_mcp.device.stored_files import StoredFiles
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings
from whatsapp_mcp.storage import StorageError, Unavailable
from whatsapp_mcp.system import boottime

STOP_BEFORE: Final = LEADER_GONE_SECONDS + 0.5
"""Seconds before the end of its lease at which a leader stops: its client has them to end in order."""
_LOOK_AGAIN: Final = 1.0
"""Seconds between two looks at the end of the lease."""

logger = logging.getLogger(__name__)


def nothing_to_stop() -> None:
    """A leadership on files."""


class Ability(NamedTuple):
    """A feature's part of the leader.

    Attributes:
        name: Of its loop, in the log.
        run: Its loop.
        part: Does its operations.
    """

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]
    part: object


def abilities(
    folder: AccountFolder, settings: CurrentSettings, archive: Archive, stored: StoredFiles
) -> list[Ability]:
    """Return the abilities that features have in the leader of an account.

    Args:
        folder: The account's files.
        settings: Those of the account.
        archive: For writing.
        stored: Keeps files elsewhere as well.
    """
    from whatsapp_mcp.features.imports.ability import import_ability

    results: list[Ability] = []
    results.append(import_ability(folder, settings, archive, stored))
    return results


def readers_of_features(settings: Settings) -> Readers:
    """Return the file readers that these settings and what is installed allow; may wait for a keyring."""
    from whatsapp_mcp.features.reading.local_readers import readers_of

    readers: list[Readers] = []
    readers.append(readers_of(settings))
    return next(iter(readers), NO_READERS)


class Leadership:
    """A leadership, which ends once and for one reason.

    Args:
        stop: Called when it ends.
    """

    def __init__(self, stop: Callable[[], None] | None = None) -> None:
        self.stop: Final = stop or nothing_to_stop
        self._reason: StorageError | None = None
        self._over = anyio.Event()

    @property
    def is_over(self) -> bool:
        """True if the leadership has ended."""
        return self._reason is not None

    def end(self, reason: StorageError) -> None:
        """End it; only the first reason counts."""
        if self._reason is None:
            logger.warning("leader: ends: %s", reason)
            self._reason = reason
            self.stop()
            self._over.set()

    async def wait_ended(self) -> StorageError:
        """Wait until it has ended, for as long as that takes; answers why."""
        await self._over.wait()
        assert self._reason is not None
        return self._reason


async def watch_lease(
    leadership: Leadership, until: Callable[[], float], now: Callable[[], float] = boottime
) -> None:
    """End a leadership a moment before its lease does, unless the lease is renewed.

    Args:
        leadership: Which.
        until: When the lease ends, in seconds of the clock.
        now: The clock.
    """
    while (left := until() - STOP_BEFORE - now()) > 0:  # noqa: ASYNC110  renewals are no event here
        await anyio.sleep(min(left, _LOOK_AGAIN))
    leadership.end(Unavailable("The lease was not renewed in time."))
