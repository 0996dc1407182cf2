"""A linked device whose messages go to a command: a program of the test that notes what it is given."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from tests.device.conftest import Leader, settings_of
from whatsapp_mcp.archive import recording
from whatsapp_mcp.device.agent import Agents
from whatsapp_mcp.device.clock import Clock, SystemClock
from whatsapp_mcp.device.guard import EnforcedDevice, Gate
from whatsapp_mcp.device.leader import background_tasks
from whatsapp_mcp.device.operations import Device
from whatsapp_mcp.ledger import Ledger, open_ledger
from whatsapp_mcp.models import PERSON, Caller, ContactUpdate
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.people import Person

PROGRAM = """
import json, os, pathlib, sys, time
here = pathlib.Path.cwd()
given = json.load(sys.stdin)
with open(here / "given.jsonl", "a") as file:
    file.write(json.dumps({"given": given, "environment": dict(os.environ)}) + "\\n")
while (here / "wait").exists():
    time.sleep(0.02)
behaviour = here / "behaviour.py"
if behaviour.exists():
    exec(behaviour.read_text())
else:
    print("You said: " + given["text"])
"""
CODE = "123456"


def config(chats: str, more: str = "", policy: str = "") -> str:
    """A `config.toml` whose command is the test's program; `HERE` stands for its folder."""
    return (
        f'[policy]\nmode = "standard"\n{policy}\n[agent]\ncommand = [{json.dumps(sys.executable)}, '
        f'"HERE/program.py"]\nfolder = "HERE"\nsettle = 0.2\nworking = ""\n{more}\n[agent.chats]\n{chats}\n'
    )


@dataclass
class AgentsRig:
    """The device of a leader with its agents; Ann is in the address book, Eve is not."""

    wa: WhatsApp
    leader: Leader
    ledger: Ledger
    agents: Agents
    enforced: EnforcedDevice
    here: Path
    ann: Person
    eve: Person

    @property
    def person(self) -> Device:
        return self.enforced.acting_for(PERSON)

    def given(self) -> list[dict[str, Any]]:
        """What the program was given so far, run by run."""
        file = self.here / "given.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def behaves(self, code: str) -> None:
        (self.here / "behaviour.py").write_text(code)

    async def runs(self, count: int) -> list[dict[str, Any]]:
        """What the program was given, once it was run so often."""
        with anyio.fail_after(30):
            while len(self.given()) < count:  # noqa: ASYNC110  a file
                await anyio.sleep(0.02)
        return self.given()

    async def archived(self, text: str) -> None:
        """Return once a message of this text is in the archive."""
        with anyio.fail_after(30):
            seen = 0
            while all(one.text != text for one in (await self.leader.archive.messages()).items):
                seen = await self.leader.archive.wait_change(seen, 1.0)

    async def dropped(self, jid: str) -> str:
        """Why the newest hand-on of a chat was dropped, once it was."""
        with anyio.fail_after(30):
            while True:
                found = self.ledger.handed_on.latest(jid, 1)
                if found and found[0].state == "dropped":
                    return found[0].reason
                await anyio.sleep(0.02)


@asynccontextmanager
async def agents_of(
    wa: WhatsApp,
    linked: Leader,
    folder: AccountFolder,
    text: str,
    *,
    clock: Clock | None = None,
    people: tuple[Person, Person] | None = None,
) -> AsyncIterator[AgentsRig]:
    """The linked device with agents, as `config.toml` says."""
    home = folder.path.parent.parent
    here = home / "program"
    here.mkdir(exist_ok=True)
    (here / "program.py").write_text(PROGRAM)
    ann, eve = people or (wa.person("Ann"), wa.person("Eve"))
    text = text.replace("HERE", str(here)).replace("ANN", ann.number).replace("EVE", eve.number)
    (home / "config.toml").write_text(text)
    await linked.archive.write(recording.record_contacts, [ContactUpdate(str(ann.pn), saved_name="Ann")])
    async with open_ledger(folder) as ledger, background_tasks() as tasks:
        used, settings = clock or SystemClock(), settings_of(folder)
        gate = Gate(linked.archive, ledger, settings, lambda: linked.device.outbox, used)

        def acting(caller: Caller) -> Device:
            return enforced.acting_for(caller)

        own = linked.device.own_addresses
        agents = Agents(linked.archive, ledger, settings, acting, used, folder, own, lambda: CODE)
        enforced = EnforcedDevice(gate, [*linked.device.parts, agents])
        linked.device.hear_before_archiving(agents.hear)
        await ledger.handed_on.begin_at(await linked.archive.last_change())
        tasks.start_soon(agents.run)
        yield AgentsRig(wa, linked, ledger, agents, enforced, here, ann, eve)
