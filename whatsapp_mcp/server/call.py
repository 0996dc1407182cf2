"""What a tool is given: the services of its account and the call it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from whatsapp_mcp.archive.interface import ReadingArchive
    from whatsapp_mcp.device.protocol import Devices
    from whatsapp_mcp.policy import Policy
    from whatsapp_mcp.settings import Settings


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a tool may use. The device is lent by its accessor for one call and never kept.

    `zone` is the person's time zone; None is the system's.
    """

    account: str
    settings: Settings
    devices: Devices
    archive: ReadingArchive
    policy: Policy
    zone: tzinfo | None = None
    now: Callable[[], datetime] = utc_now


class ServicesSource(Protocol):
    """Whoever holds the services; the runtime, or a test."""

    @property
    def account(self) -> str:
        """The account's local name."""
        ...

    @property
    def policy(self) -> Policy:
        """What the account allows; known before anything is open."""
        ...

    async def services(self) -> Services:
        """The services, as soon as they are open.

        Raises:
            WhatsAppError: They cannot be opened, or not in time.
        """
        ...

    def ready(self) -> Services | None:
        """The services if they are open now."""
        ...


Progress = Callable[[float, float | None, str | None], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one tool."""

    source: ServicesSource
    progress: Progress

    async def services(self) -> Services:
        """The services of the account; waits while the server is still starting."""
        return await self.source.services()
