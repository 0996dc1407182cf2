"""The state of an account's connection, for a process that neither leads nor changes anything."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import anyio
import anyio.to_thread

from whatsapp_mcp.device import connection
from whatsapp_mcp.device.connection import record_in, stored_device
from whatsapp_mcp.device.leader import endpoint
from whatsapp_mcp.device.leader.lock import LeaderLock
from whatsapp_mcp.device.leader.remote import RemoteDevice
from whatsapp_mcp.device.leader.serving import greet
from whatsapp_mcp.device.operations import Device, control
from whatsapp_mcp.errors import Busy, WhatsAppError
from whatsapp_mcp.models import PERSON, ConnectionState, ConnectionStatus
from whatsapp_mcp.processes.rpc import Peer
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.system import is_running

ANSWER_LIMIT: Final = 1.0
"""Seconds that a leader has to answer."""
LED_ELSEWHERE: Final = "The account is kept in a database, and nothing on this machine leads it."
ASK_THERE: Final = "Run this on the machine that leads it."
_START: Final = (
    "Open an application that uses it, or run `whatsapp-mcp status --wait` to connect for a moment."
)


async def observed_status(folder: AccountFolder, limit: float = ANSWER_LIMIT) -> ConnectionStatus:
    """Return the leader's status, or the one on the disk without a leader; never takes the leader's lock."""
    try:
        status = await leader_status(folder, limit)
    except WhatsAppError as error:
        return _offline(folder, error.message, error.action)
    return status or await anyio.to_thread.run_sync(_on_disk, folder)


async def leader_status(folder: AccountFolder, limit: float = ANSWER_LIMIT) -> ConnectionStatus | None:
    """Return the leader's status; None if no leader listens. The disk is left unchanged.

    Raises:
        Busy: The leader does not answer within `limit` seconds.
        WhatsAppError: It is of a version that cannot be asked.
    """
    try:
        with anyio.move_on_after(limit):
            async with leading_device(folder) as device:
                return await device.do(control.status)
    except OSError:
        return None
    raise Busy("The server that leads this account does not answer.", "Resume or end it.")


def running_leader(folder: AccountFolder) -> int | None:
    """The process that took the account's lock last, if one of its number runs."""
    pid = LeaderLock(folder).holder()
    return pid if pid is not None and is_running(pid) else None


@asynccontextmanager
async def leading_device(folder: AccountFolder) -> AsyncIterator[Device]:
    """The device of the account's leader for a person, for as long as the body runs.

    Raises:
        OSError: Nobody listens.
        WhatsAppError: The leader does not answer, or is of a version that cannot be asked.
    """
    stream, secret = await endpoint.connect(folder)
    async with stream, Peer(stream, stream) as peer:
        pid = await greet(peer, secret)
        yield RemoteDevice(folder.name, peer, pid).acting_for(PERSON)


def _on_disk(folder: AccountFolder) -> ConnectionStatus:
    """Return the status that the last leader left; for an account in a database it is unknown here."""
    if folder.in_database:
        return _offline(folder, LED_ELSEWHERE, ASK_THERE)
    if (pid := running_leader(folder)) is not None:
        # A stale number may name a stranger by now, so nobody is told to end it.
        reason = f"No server answers. Process {pid} led this account last and is running."
        return _offline(
            folder, reason, "If it is a whatsapp-mcp server, wait until it has started, or restart it."
        )
    try:
        owner = stored_device(folder.client_db)
    except sqlite3.OperationalError as error:
        return _offline(folder, f"No server is running, and the keys cannot be read: {error}.", _START)
    now = datetime.now(UTC)
    left = record_in(folder.path).load(now)
    has_ended = left.until is not None and left.until <= now  # the next leader connects
    if has_ended or (
        owner is not None and left.state is ConnectionState.UNLINKED
    ):  # the stored keys are newer than the record
        left = replace(left, state=ConnectionState.OFFLINE, until=None)
    rests = left.state.traits.rests
    why = f" {left.reason}" if left.reason and rests else ""
    if owner is None:
        left = replace(left, state=ConnectionState.UNLINKED)
        reason = f"No server is running; no phone is linked.{why}"
        return ConnectionStatus(left.state, left.since, folder.name, reason, connection.advice(left))
    who = f"{owner.name} ({owner.number})" if owner.name else str(owner.number)
    return ConnectionStatus(
        left.state,
        left.since,
        folder.name,
        reason=f"No server is running; linked as {who}.{why}",
        action=connection.advice(left) if rests else _START,
        device_id=str(owner.jid),
        number=owner.number,
        name=owner.name,
        until=left.until,
    )


def _offline(folder: AccountFolder, reason: str, action: str) -> ConnectionStatus:
    now = datetime.now(UTC)
    return ConnectionStatus(ConnectionState.OFFLINE, now, folder.name, reason=reason, action=action)
