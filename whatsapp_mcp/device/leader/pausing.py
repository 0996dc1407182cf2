"""Pausing and resuming from outside the servers: through the leader, or on the disk where there is none.

A command must not lead in order to pause: whoever leads connects first.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Final

import anyio
import anyio.to_thread

from whatsapp_mcp.device import connection
from whatsapp_mcp.device.connection import record_in, stored_device
from whatsapp_mcp.device.leader.lock import LeaderLock
from whatsapp_mcp.device.leader.observer import (
    ASK_THERE,
    LED_ELSEWHERE,
    leading_device,
    observed_status,
)
from whatsapp_mcp.device.operations import control
from whatsapp_mcp.errors import Busy, cause
from whatsapp_mcp.models import ConnectionState, ConnectionStatus
from whatsapp_mcp.settings import AccountFolder

LEADER_LIMIT: Final = 10.0
"""Seconds in which a server that has the account's lock must listen."""
_LOOK_AGAIN: Final = 0.1

Asked = connection.PauseAsked | connection.ResumeAsked


async def pause(
    folder: AccountFolder, until: datetime | None = None, *, limit: float = LEADER_LIMIT
) -> ConnectionStatus:
    """Close the account's connection until then, or until `resume`; answers the status after it.

    Args:
        folder: The account's files.
        until: When the pause ends by itself.
        limit: Seconds to wait for a leader that is starting or ending.

    Raises:
        WhatsAppError: What `control.pause` raises.
        Busy: A process holds the account and does not answer, or the disk cannot be written.
    """
    return await _ask(folder, connection.PauseAsked(until), limit)


async def resume(folder: AccountFolder, *, limit: float = LEADER_LIMIT) -> ConnectionStatus:
    """End a pause; answers the status after it. Without a leader nothing connects: the next one does.

    Raises:
        WhatsAppError: What `control.resume` raises.
        Busy: A process holds the account and does not answer, or the disk cannot be written.
    """
    return await _ask(folder, connection.ResumeAsked(), limit)


async def _ask(folder: AccountFolder, event: Asked, limit: float) -> ConnectionStatus:
    give_up = anyio.current_time() + limit
    lock = LeaderLock(folder)
    while True:
        try:
            async with leading_device(folder) as device:
                if isinstance(event, connection.PauseAsked):
                    return await device.do(control.pause, event.until)
                return await device.do(control.resume)
        except OSError:  # nobody listens
            if folder.in_database:
                raise Busy(LED_ELSEWHERE, ASK_THERE) from None
            if _acquired(lock):
                break
        if anyio.current_time() >= give_up:
            raise Busy(
                f"Process {lock.holder()} holds this account and does not answer.",
                "If it is a whatsapp-mcp server, wait until it has started, or restart it.",
            )
        await anyio.sleep(_LOOK_AGAIN)
    try:
        await _note(folder, event)
    finally:
        lock.release()
    return await observed_status(folder)


def _acquired(lock: LeaderLock) -> bool:
    try:
        return lock.acquire()
    except OSError as error:
        raise Busy(f"The account's lock cannot be taken: {cause(error)}.") from error


async def _note(folder: AccountFolder, event: Asked) -> None:
    """Record the event as a leader would, but without a client: none runs, and the next leader starts one."""
    moment = connection.Moment(datetime.now(UTC), anyio.current_time())
    try:
        owner = await anyio.to_thread.run_sync(stored_device, folder.client_db)
    except sqlite3.Error as error:
        raise Busy(f"The keys of this account cannot be read: {cause(error)}.") from error
    record = record_in(folder.path)
    before, _ = connection.step(record.load(moment.now), connection.Opened(owner is not None), moment)
    connection.check_may_pause(before, event, moment.now)
    after, _ = connection.step(before, event, moment)
    await record.save(after)
    # `save` only logs that the disk is full, so what the file says now is read.
    kept = record_in(folder.path).load(moment.now).state
    if (kept is ConnectionState.PAUSED) is not (after.state is ConnectionState.PAUSED):
        raise Busy(
            "The account's folder cannot be written.", "Look at the disk's free space, then try again."
        )
