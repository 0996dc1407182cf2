"""What is said on both sides, each text with a number of its own so that it can be told from all others."""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import anyio

from benchmarks.soak.fleet import Answer, Fleet
from whatsapp_mcp.simulator import WhatsApp
from whatsapp_mcp.simulator.groups import Group
from whatsapp_mcp.simulator.people import Person

_TRIES: Final = 4
"""How often an agent repeats a send with its key before it gives up."""
_RETRY_PAUSE: Final = 1.0
_READ_ONE_IN: Final = 3

logger = logging.getLogger(__name__)


@dataclass
class Spoken:
    """A message that somebody wrote to the account.

    Attributes:
        acknowledged_at: When the client had acknowledged it to WhatsApp; None until then.
    """

    id: str
    text: str
    chat: str
    at: float
    acknowledged_at: float | None = None


@dataclass
class Sent:
    """A send that an agent asked for, and every answer it got; None is none at all.

    Attributes:
        readers: Who is to get it.
    """

    text: str
    chat: str
    key: str | None
    readers: tuple[Person, ...]
    at: float
    answers: list[Answer | None] = field(default_factory=list[Answer | None])


class Traffic:
    """People who write to the account, agents who write to them through any server, and receipts.

    Args:
        rate: Messages a second, each way.
    """

    def __init__(self, wa: WhatsApp, fleet: Fleet, chance: random.Random, rate: float) -> None:
        self._wa = wa
        self._fleet = fleet
        self._chance = chance
        self._rate = rate
        self.people = [wa.person(name) for name in ("Ann", "Ben", "Cleo")]
        self.group: Group = wa.group("Boat", self.people)
        self.spoken: list[Spoken] = []
        self.sent: list[Sent] = []
        self._numbers: Iterator[int] = itertools.count(1)
        self._over = anyio.Event()

    async def run(self) -> None:
        """Talk until `stop`; what was begun is brought to its end."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._people)
            tasks.start_soon(self._agents)
            async with anyio.create_task_group() as watchers:
                watchers.start_soon(self._receipts)
                watchers.start_soon(self._acknowledgements)
                await self._over.wait()
                watchers.cancel_scope.cancel()

    def stop(self) -> None:
        """Say nothing new; receipts go on until `end`."""
        self._rate = 0

    def end(self) -> None:
        """No more receipts either."""
        self._over.set()

    async def _pause(self) -> None:
        await anyio.sleep(self._chance.expovariate(self._rate) if self._rate else 0)

    async def _people(self) -> None:
        while self._rate:
            await self.says()
            await self._pause()

    async def says(self) -> None:
        """One of them writes, in private or in the group."""
        person = self._chance.choice(self.people)
        to = self.group if self._chance.random() < 0.4 else None
        text = f"in-{next(self._numbers)}"
        message_id = await person.says(text, to)
        chat = "Boat" if to else person.name
        self.spoken.append(Spoken(message_id, text, chat, time.monotonic()))

    async def _agents(self) -> None:
        async with anyio.create_task_group() as tasks:
            while self._rate:
                tasks.start_soon(self._sends)
                await self._pause()

    async def _sends(self) -> None:
        """One agent sends; with a key it asks again until it has an answer, without one it never does."""
        number = next(self._numbers)
        person = self._chance.choice(self.people)
        to_group = self._chance.random() < 0.3
        sent = Sent(
            f"out-{number}",
            str(self.group.jid) if to_group else person.number,
            f"key-{number}" if self._chance.random() < 0.6 else None,
            tuple(self.people) if to_group else (person,),
            time.monotonic(),
        )
        self.sent.append(sent)
        for _ in range(_TRIES if sent.key else 1):
            slot = self._fleet.any(self._chance)
            if slot is not None:
                answer = await self._fleet.call(
                    slot, "send_message", chat=sent.chat, text=sent.text, idempotency_key=sent.key
                )
                sent.answers.append(answer)
                if answer is not None and answer.error is None:
                    return
            await anyio.sleep(_RETRY_PAUSE)

    async def _receipts(self) -> None:
        """The people's phones say that messages came, and sometimes that they were read."""
        told = dict.fromkeys(self.people, 0)
        while True:
            for person in self.people:
                for received in person.inbox[told[person] :]:
                    told[person] += 1
                    group = self.group if received.chat == self.group.jid else None
                    if received.sender != self._wa.me.lid:
                        continue
                    await person.received(received.id, group=group)
                    if self._chance.randrange(_READ_ONE_IN) == 0:
                        await person.reads(received.id, group=group)
            await anyio.sleep(0.05)

    async def _acknowledgements(self) -> None:
        """Note when each message is no longer kept for the client: its client has acknowledged it."""
        waiting: list[Spoken] = []
        known = 0
        while True:
            waiting += self.spoken[known:]
            known = len(self.spoken)
            kept = pending_ids(self._wa)
            for spoken in waiting:
                if spoken.id not in kept:
                    spoken.acknowledged_at = time.monotonic()
            waiting = [spoken for spoken in waiting if spoken.acknowledged_at is None]
            await anyio.sleep(0.05)


def pending_ids(wa: WhatsApp) -> set[str]:
    """Ids of the messages that WhatsApp keeps for the linked client."""
    companion = wa.me.companion
    return {node.get("id") for node in companion.pending if node.tag == "message"} if companion else set()
