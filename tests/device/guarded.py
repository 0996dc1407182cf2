"""A linked device behind the leader's check, with the policy of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path

from tests.device.conftest import Leader, settings_of
from whatsapp_mcp.archive import recording
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.device.guard import EnforcedDevice, Gate, Leaving, PhoneQuestions, Upkeep
from whatsapp_mcp.device.leader import background_tasks
from whatsapp_mcp.device.operations import Device
from whatsapp_mcp.ledger import HeldAct, Ledger, open_ledger
from whatsapp_mcp.models import PERSON, Caller, ContactUpdate
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.people import Person

AGENT = Caller("stdio:agent", "agent", "send_message")


@dataclass
class Noted:
    """Notes what it is told to ask."""

    asked: list[str] = field(default_factory=list[str])

    async def ask(self, held: HeldAct) -> None:
        self.asked.append(held.approval.id)


@dataclass
class Guarded:
    """The device of a leader as an agent and as a person have it.

    Attributes:
        known: Somebody in the address book.
        stranger: Somebody who is not.
    """

    wa: WhatsApp
    leader: Leader
    ledger: Ledger
    gate: Gate
    enforced: EnforcedDevice
    known: Person
    stranger: Person
    phone: Noted

    @property
    def agent(self) -> Device:
        return self.acting_for(AGENT)

    @property
    def person(self) -> Device:
        return self.acting_for(PERSON)

    def acting_for(self, caller: Caller) -> Device:
        return self.enforced.acting_for(caller)


def write_policy(folder: AccountFolder, text: str) -> Path:
    home = folder.path.parent.parent
    config = home / "config.toml"
    config.write_text(text, encoding="utf-8")
    return config


@asynccontextmanager
async def guarding(
    wa: WhatsApp,
    linked: Leader,
    folder: AccountFolder,
    policy: str = '[policy]\nmode = "standard"\n',
    beside: Sequence[object] = (),
) -> AsyncIterator[Guarded]:
    """The linked device behind a gate, and what is done beside it; Ann is in the address book, Eve is not."""
    write_policy(folder, policy)
    known, stranger = wa.person("Ann"), wa.person("Eve")
    await linked.archive.write(recording.record_contacts, [ContactUpdate(str(known.pn), saved_name="Ann")])
    async with open_ledger(folder) as ledger, background_tasks() as tasks:
        clock = SystemClock()
        phone = PhoneQuestions(linked.device, ledger.approvals, clock, lambda: UTC)
        noted, settings = Noted(), settings_of(folder)
        askers = [phone, noted]
        gate = Gate(linked.archive, ledger, settings, lambda: linked.device.outbox, clock, askers)
        tasks.start_soon(Upkeep(linked.archive, ledger, gate).run)
        tasks.start_soon(phone.run, gate.approvals.decide, gate.approvals.void)
        linked.device.outbox.look_at(Leaving(linked.archive, ledger, gate).obstacle)
        enforced = EnforcedDevice(gate, [*linked.device.parts, *beside])
        yield Guarded(wa, linked, ledger, gate, enforced, known, stranger, noted)
