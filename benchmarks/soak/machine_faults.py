"""Faults of the machine: full disks, clocks that are set, suspension, deleted files."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from typing import Final

from benchmarks.soak.chaos import (
    Fault,
    Healing,
    Impossible,
    Stage,
    client_of,
    leader_of,
    leader_pid,
    signal_process,
)
from benchmarks.soak.watch import children
from whatsapp_mcp.settings import Settings

_MINUTE: Final = 60.0
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_JUMPS: Final = (3 * _MINUTE, _HOUR, _DAY, 400 * _DAY, -3 * _MINUTE, -_HOUR, -_DAY, 0.0)


class ClockJump(Fault):
    """The wall clock of all processes is set, ahead or back; it stays so until the next jump."""

    name, relogin = "wall clock jumps", False

    async def act(self, stage: Stage) -> Healing:
        """Set the wall clock ahead or back."""
        stage.clock.set(stage.chance.choice([jump for jump in _JUMPS if jump != stage.clock.ahead]))
        await stage.some(0.5, 2)
        return Healing()


class Suspend(Fault):
    """Every server and client is stopped for some seconds, which the clock says were an hour."""

    name, relogin = "everything suspended, as by a closed lid", False

    async def act(self, stage: Stage) -> Healing:
        """Stop every server and client for some seconds and advance the clock by an hour."""
        servers = [slot.pid for slot in stage.fleet.ready()]
        pids = [*servers, *(child for server in servers for child in children(server))]
        stopped: list[int] = []
        try:
            for pid in pids:
                with suppress(Impossible):
                    signal_process(pid, signal.SIGSTOP)
                    stopped.append(pid)
            await stage.some(1, 8)
            stage.clock.set(stage.clock.ahead + _HOUR)
        finally:
            for pid in stopped:
                with suppress(Impossible):
                    signal_process(pid, signal.SIGCONT)
        return Healing()


class WriteLimit(Fault):
    """No write of one process to any file succeeds for some seconds."""

    relogin = False

    def __init__(self, name: str, whom: Callable[[Stage], Awaitable[int]], *, ends: bool = False) -> None:
        self.name, self._whom, self.ends = name, whom, ends

    async def act(self, stage: Stage) -> Healing:
        """Make every write of a process fail for some seconds."""
        pid = await self._whom(stage)
        limit_file_size(pid, 0)
        try:
            await stage.some(0.5, 2.5)
        finally:
            with suppress(Impossible):
                limit_file_size(pid, -1)
        return Healing()


class FullDisk(Fault):
    """The account's disk has no block left for some seconds (ENOSPC), for all processes at once.

    Args:
        kill: Whether the leader is killed meanwhile, so that another starts on a full disk.
    """

    relogin, ends = False, True

    def __init__(self, name: str, *, kill: bool = False) -> None:
        self.name, self._kill = name, kill

    async def act(self, stage: Stage) -> Healing:
        """Fill the disk for some seconds; kill the leader meanwhile if set."""
        if stage.disk.missing is not None:
            raise Impossible(stage.disk.missing)
        leader = await leader_of(stage) if self._kill else None
        stage.disk.fill()
        try:
            await stage.some(0.5, 2.5)
            if leader is not None:
                stage.fleet.kill(leader)
                await stage.some(0.5, 2.5)
        finally:
            stage.disk.free()
        return Healing()


class StandingReader(Fault):
    """Somebody reads the archive and stands still in the middle, as a stopped process or a backup does."""

    name, relogin, slow = "a reader of the archive stands still", False, True

    async def act(self, stage: Stage) -> Healing:
        """Hold a read transaction on the archive open for 20 to 60 seconds."""
        archive = (stage.account / "archive.db").as_uri()
        with closing(sqlite3.connect(f"{archive}?mode=ro", uri=True, isolation_level=None)) as db:
            db.execute("BEGIN")
            db.execute("SELECT count(*) FROM messages").fetchall()
            await stage.some(20, 60)
        return Healing()


class AddressTaken(Fault):
    """The leader's socket is deleted, as cleaners of folders do; a server that starts then must find it."""

    name, ends, relogin = "leader's socket deleted, and a new server", True, False

    async def act(self, stage: Stage) -> Healing:
        """Delete the leader's socket and have a new server start."""
        leader = await leader_of(stage)
        others = [slot for slot in stage.fleet.ready() if slot is not leader]
        if not others:
            raise Impossible("no other server is there")
        Settings(home=stage.account.parent.parent).account_folder().socket.unlink(missing_ok=True)
        again = stage.chance.choice(others)
        healing = Healing(again)
        stage.fleet.kill(again)
        await stage.fleet.back(again)
        return healing


def limit_file_size(pid: int, limit: int) -> None:
    """Let every write of a process to any file fail (0), or none (-1): what a full disk looks like to it.

    Raises:
        Impossible: This system cannot.
    """
    import resource

    if not hasattr(resource, "prlimit"):
        raise Impossible("this system cannot limit another process")
    try:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if limit < 0 else limit, hard))
    except PermissionError as error:
        raise Impossible("this user may not limit another process") from error
    except ProcessLookupError as error:
        raise Impossible("the process has just ended") from error


MACHINE: Final[tuple[Fault, ...]] = (
    ClockJump(),
    Suspend(),
    WriteLimit("no writes for the client (inbox.db, client.db)", client_of, ends=True),
    WriteLimit("no writes for the leader (archive.db)", leader_pid),
    FullDisk("disk full (ENOSPC)"),
    FullDisk("disk full (ENOSPC) and the leader killed", kill=True),
    AddressTaken(),
    StandingReader(),
)
