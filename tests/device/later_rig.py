"""Scheduled sends under a gate, an outbox and a clock of the test's own; any step may be the last one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from tests.archive import events as ev
from tests.archive.events import ANA, journal
from tests.device.fake_clock import FakeClock
from tests.device.guarded import AGENT, Noted, write_policy
from tests.device.outbox_rig import Wire, WireSender, never_called, no_preview
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.device.connection import FileKeys
from whatsapp_mcp.device.guard import DueSends, EnforcedDevice, Gate, Leaving, Upkeep
from whatsapp_mcp.device.operations import Device
from whatsapp_mcp.device.outbox.addresses import Addresses
from whatsapp_mcp.device.outbox.composing import compose
from whatsapp_mcp.device.outbox.outbox import Outbox
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.ledger import Ledger, open_ledger
from whatsapp_mcp.models import (
    PERSON,
    Caller,
    ContactUpdate,
    SendRequest,
    SendStatus,
    TextContent,
)
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings

OWN = "15550001111@s.whatsapp.net"
MINUTE = timedelta(minutes=1)


class Killed(BaseException):
    """The process ended here."""


@dataclass
class Fuse:
    """Ends a process at one of its writes.

    Attributes:
        left: Writes until then; below zero, never.
        after: Whether that write is still done.
        only: Counts the operations of this name alone.
        is_dead: Whether that was; then nothing more is written.
    """

    left: int = -1
    after: bool = False
    only: str | None = None
    is_dead: bool = False

    def around(self, write: Callable[..., Any]) -> Callable[..., Any]:
        """The same write, which may be the last."""

        def guarded(what: Any, **kwargs: Any) -> Any:
            is_last = False
            if self.only in {None, getattr(what, "name", None)}:
                self.left -= 1
                is_last = self.left == 0
            if self.is_dead or (is_last and not self.after):
                self.is_dead = True
                raise Killed
            done = write(what, **kwargs)
            if is_last:
                self.is_dead = True
                raise Killed
            return done

        return guarded


@dataclass
class Later:
    """One leader.

    Attributes:
        told: What the person was told in the chat with oneself.
        asked: The questions on the phone.
        knows_replies: Whether what came meanwhile is known, when a send is let go and when it is handed over.
    """

    archive: Archive
    ledger: Ledger
    gate: Gate
    enforced: EnforcedDevice
    wire: Wire
    clock: FakeClock
    phone: Noted
    told: list[str]
    fuse: Fuse
    knows_replies: list[bool]

    def acting_for(self, caller: Caller) -> Device:
        return self.enforced.acting_for(caller)

    @property
    def agent(self) -> Device:
        return self.acting_for(AGENT)

    @property
    def person(self) -> Device:
        return self.acting_for(PERSON)

    async def status(self, send_id: int) -> SendStatus:
        return (await self.archive.outbox_get(send_id)).status

    async def act(self) -> None:
        """Let everybody act; what is written is written in threads."""
        for _ in range(6):
            await self.clock.advance(0)
            await anyio.sleep(0.002)

    async def passes(self, length: timedelta) -> None:
        """Let so much time pass, in the end a look of everybody's at a time."""
        end = self.clock.now() + length
        await self.act()
        await self.clock.advance(length.total_seconds() - 20)
        await self.act()
        while (left := (end - self.clock.now()).total_seconds()) > 0:
            await self.clock.advance(min(left, 5.0))
            await self.act()
        await self.clock.advance(0)
        await self.act()

    async def sleeps(self, length: timedelta) -> None:
        """The computer is asleep for so long."""
        await self.clock.suspend(length.total_seconds())
        await self.passes(timedelta(seconds=16))

    async def until(self, send_id: int, *statuses: SendStatus) -> SendStatus:
        with anyio.fail_after(60):
            while (found := await self.status(send_id)) not in statuses:
                await self.clock.advance(1)
                await anyio.sleep(0.005)
        return found

    async def hears(
        self, wa_id: str, text: str = "hello", before: timedelta = timedelta(), **more: Any
    ) -> None:
        """Ana writes, so long before now by WhatsApp's clock."""
        at = int((self.clock.now() - before).timestamp())
        event = ev.message(wa_id, text, at=at, **more)
        await self.archive.ingest(journal([event], after=await self.archive.position()))
        await self.act()

    def later(self, text: str = "hi", *, minutes: float = 60, chat: str = ANA, **more: Any) -> SendRequest:
        at = self.clock.now() + timedelta(minutes=minutes)
        return SendRequest(chat, TextContent(text), at=at, **more)


@asynccontextmanager
async def leading(
    folder: AccountFolder,
    *,
    wire: Wire | None = None,
    clock: FakeClock | None = None,
    policy: str | None = None,
    fuse: Fuse | None = None,
    known: bool = True,
) -> AsyncIterator[Later]:
    """A leader of this account; another one, after it has ended, finds what it left.

    Args:
        folder: The account's files.
        wire: Client and WhatsApp; they outlast a leader.
        clock: Time, which does too.
        policy: Text of `config.toml`; None leaves it.
        fuse: Ends the leader.
        known: Whether Ana is in the address book.
    """
    wire, clock, fuse = wire or Wire(), clock or FakeClock(), fuse or Fuse()
    knows_replies = [True, True]
    if policy is not None:
        write_policy(folder, policy)
    async with (
        open_archive(folder, write=True, now=clock.now) as archive,
        open_ledger(folder, clock.now) as ledger,
        background_tasks() as tasks,
    ):
        if known:
            await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana")])
        if (await archive.own())[0] is None:
            await archive.write(recording.set_own, OWN, None, "Me")
        _arm(archive, ledger, fuse)
        composing = partial(
            compose,
            archive=archive,
            addresses=Addresses(FileKeys(folder.client_db)),
            call=never_called,
            preview=no_preview,
        )
        outbox = Outbox(
            archive,
            clock,
            WireSender(wire, composing),
            wire.open(folder),
            online=lambda: wire.online,
            linked=lambda: wire.linked,
            unavailable=wire.unavailable,
            knows_replies=lambda: all(knows_replies),
        )
        settings = CurrentSettings(Settings(home=folder.path.parent.parent))
        phone, told = Noted(), list[str]()

        async def tell(text: str) -> None:
            told.append(text)

        gate = Gate(archive, ledger, settings, lambda: outbox, clock, [phone], tell)
        outbox.look_at(Leaving(archive, ledger, gate).obstacle)
        enforced = EnforcedDevice(gate, [])
        led = Later(archive, ledger, gate, enforced, wire, clock, phone, told, fuse, knows_replies)

        def ready(after_replies: bool) -> bool:
            return wire.online and (not after_replies or knows_replies[0])

        due = DueSends(archive, ledger, gate, lambda: outbox, clock, ready=ready)
        for run in (outbox.run, Upkeep(archive, ledger, gate).run, due.run):
            tasks.start_soon(run)
        yield led


def _arm(archive: Archive, ledger: Ledger, fuse: Fuse) -> None:
    committer: Any = vars(archive)["_committer"]
    committer.commit = fuse.around(committer.commit)
    file: Any = vars(ledger)["_file"]
    file.write_here = fuse.around(file.write_here)


def media(folder: AccountFolder, name: str, content: bytes) -> Path:
    """A file that may be sent."""
    folder.media.mkdir(exist_ok=True)
    path = folder.media / name
    path.write_bytes(content)
    return path
