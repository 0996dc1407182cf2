"""`whatsapp-mcp pause` and `resume`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import anyio

from whatsapp_mcp import settings
from whatsapp_mcp.cli.connection.device import RECONNECT_LIMIT, SETTLE_POLL, log_to_stderr
from whatsapp_mcp.cli.options import known_account
from whatsapp_mcp.device import leader
from whatsapp_mcp.device.leader import observed_status
from whatsapp_mcp.models import ConnectionStatus
from whatsapp_mcp.settings import AccountFolder


def paused(account: str, until: datetime | None) -> ConnectionStatus:
    """Pause an account's connection, and the status after it.

    Raises:
        WhatsAppError: See `device.pausing.pause`.
        NotLinked: The account is not here.
    """
    return _run(account, partial(leader.pause, until=until))


def resumed(account: str, limit: float = RECONNECT_LIMIT) -> ConnectionStatus:
    """End the pause of an account, and the status once its server is online or `limit` seconds have passed.

    Raises:
        WhatsAppError: See `device.pausing.resume`.
        NotLinked: The account is not here.
    """

    async def resume_and_wait(folder: AccountFolder) -> ConnectionStatus:
        status = await leader.resume(folder)
        deadline = anyio.current_time() + limit
        while status.leader_pid and status.state.traits.connecting and anyio.current_time() < deadline:
            await anyio.sleep(SETTLE_POLL)
            status = await observed_status(folder)
        return status

    return _run(account, resume_and_wait)


def _run(account: str, ask: Callable[[AccountFolder], Awaitable[ConnectionStatus]]) -> ConnectionStatus:
    folder = known_account(account)
    log_to_stderr(settings.load().log_level)
    return anyio.run(ask, folder)
