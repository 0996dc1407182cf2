"""`/healthz` and `/readyz`: what machines ask before they restart a server or send it requests.

`/healthz` says that the process serves; a restart would help where it does not answer. `/readyz` says whether
WhatsApp can be used through it, and if not, why, in words of ours that name nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import anyio
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from whatsapp_mcp.device.operations import control
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import ConnectionState, ConnectionStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from whatsapp_mcp.models import LeaderFigures
    from whatsapp_mcp.web import Opened, PageSource

PROBES: Final = frozenset({"/healthz", "/readyz"})
"""The paths, which are answered to anybody."""
STALLED: Final = 60.0
"""Seconds after which events that wait, while none is archived, make an account not ready."""
_LIMIT: Final = 5.0
"""Seconds for the answer of a leader."""


def probe_routes(accounts: Sequence[PageSource]) -> list[Route]:
    """The routes of the probes of a server with these accounts."""
    probes = _Probes(accounts)
    return [Route("/healthz", probes.health), Route("/readyz", probes.ready)]


def obstacle(status: ConnectionStatus | None, figures: LeaderFigures | None) -> str | None:
    """Why an account cannot be used now, in a few words of ours; None if it can.

    Args:
        status: As `asked` answers it.
        figures: As `asked` answers them.
    """
    if status is None:
        return "the account is not open"
    if status.state is ConnectionState.OFFLINE or figures is None:
        return "no leader answers"
    if status.state in {ConnectionState.UNLINKED, ConnectionState.LINKING}:
        return "no phone is linked"
    if status.state is not ConnectionState.ONLINE:
        return "WhatsApp is not connected"
    if figures.journal_stalled > STALLED:
        return "received events are not archived"
    return None


async def asked(account: str, opened: Opened | None) -> tuple[ConnectionStatus | None, LeaderFigures | None]:
    """Ask the leader of an account for its status and figures, for a few seconds at most.

    Returns:
        The status, which is `OFFLINE` where none answers in time, and None where the account is not open; and
        the figures, None where none answers.
    """
    if opened is None:
        return None, None
    figures = None
    status = ConnectionStatus(ConnectionState.OFFLINE, datetime.now(UTC), account)
    with anyio.move_on_after(_LIMIT):
        try:
            async with opened.devices.use() as device:
                status = await device.do(control.status)
                if status.state is not ConnectionState.OFFLINE:
                    figures = await device.do(control.figures)
        except WhatsAppError:
            return status, None
    return status, figures


@dataclass(frozen=True, slots=True)
class _Probes:
    accounts: Sequence[PageSource]

    async def health(self, _: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(self, _: Request) -> Response:
        """Ready if one of the accounts is.

        Otherwise a proxy would keep requests from all accounts while one has no phone.
        """
        obstacles = list[str]()

        async def look_at(account: PageSource) -> None:
            reason = obstacle(*await asked(account.account, account.opened()))
            if reason is not None:
                obstacles.append(reason)

        async with anyio.create_task_group() as tasks:
            for account in self.accounts:
                tasks.start_soon(look_at, account)
        if len(obstacles) < len(self.accounts):
            return PlainTextResponse("ready\n")
        # One reason: whoever asks need not know how many accounts there are.
        why = min(obstacles, default="there is no account")
        return PlainTextResponse(f"not ready: {why}\n", 503)
