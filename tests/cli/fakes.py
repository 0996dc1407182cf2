"""A device that plays back what a test has scripted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.devices import ByName
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import ConnectionState, ConnectionStatus, LinkState

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def status_of(
    state: ConnectionState, number: str | None = None, *, catching_up: bool = False
) -> ConnectionStatus:
    return ConnectionStatus(state, NOON, "default", number=number, catching_up=catching_up)


@dataclass
class ScriptedDevice(ByName):
    """What the commands use of a device.

    Answers `link` with the first of `links`, `link_state` with the next ones, `status` with `statuses`.
    The last of each is repeated. `refusal` is raised by `link`.
    """

    links: Sequence[LinkState] = ()
    statuses: Sequence[ConnectionStatus] = (status_of(ConnectionState.UNLINKED),)
    refusal: WhatsAppError | None = None
    phones: list[str | None] = field(default_factory=list[str | None])
    unlinked: bool = False

    def __post_init__(self) -> None:
        self._links = list(self.links)
        self._statuses = list(self.statuses)

    def kill(self) -> None:
        pass

    async def status(self) -> ConnectionStatus:
        return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]

    async def link(self, phone: str | None = None) -> LinkState:
        self.phones.append(phone)
        if self.refusal is not None:
            raise self.refusal
        return await self.link_state()

    async def link_state(self, after_revision: int = -1, wait: float = 0.0) -> LinkState:
        return self._links.pop(0) if len(self._links) > 1 else self._links[0]

    async def unlink(self) -> None:
        self.unlinked = True
