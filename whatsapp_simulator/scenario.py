"""Plays a `World` on a simulated WhatsApp: its history, its live messages, its answers to the owner."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from importlib import resources
from typing import Any, Final

import anyio

from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator.envelope import Received
from whatsapp_simulator.groups import Group
from whatsapp_simulator.media import Kind
from whatsapp_simulator.people import Person
from whatsapp_simulator.whatsapp import WhatsApp
from whatsapp_simulator.world import FILE, OWNER, REACTION, REPLY, Line, World

Sleep = Callable[[float], Awaitable[None]]

_WAIT = 3600.0
_FILES: Final[dict[str, tuple[Kind, dict[str, Any]]]] = {
    "keel.jpg": ("image", {"width": 480, "height": 360}),
    "tins.ogg": ("voice", {"seconds": 7}),
    "devis.pdf": ("document", {"mimetype": "application/pdf", "fileName": "devis.pdf"}),
}
"""The fields of the message with each file."""


class Scenario:
    """A world that plays on a simulated WhatsApp.

    Attributes:
        phone: The owner's phone; companions are linked to it.

    Args:
        sleep: Waits so many seconds; a test passes one that returns at once.
    """

    def __init__(
        self, whatsapp: WhatsApp, world: World, *, seed: int = 1, sleep: Sleep = anyio.sleep
    ) -> None:
        self.world = world
        self.phone = whatsapp.account(world.owner.number, world.owner.name)
        self._seed = seed
        self._sleep = sleep
        self._chance = random.Random(seed)  # noqa: S311
        self._now = whatsapp.network.timestamp
        self._media = whatsapp.media
        self._people = {each.name: whatsapp.person(each.name, each.number) for each in world.people}
        for each in world.people:
            if not each.stranger:
                self.phone.app_state.name_contact(self._people[each.name], each.name)
        self._groups = {
            each.name: whatsapp.group(each.name, [self._people[name] for name in each.members])
            for each in world.groups
        }
        self._last: dict[str, str] = {}

    def remember(self) -> int:
        """Add the past lines to the phone's history; return the number of messages.

        The messages after the owner's last one in a chat are unread.
        """
        now = datetime.fromtimestamp(self._now()).astimezone()
        past = self.world.past(now, self._seed)
        history = self.phone.history
        for line in past:
            chat, sender = self._chat(line), self.phone if line.who == OWNER else self._people[line.who]
            history.add(chat, self._content(line), sender, at=int(now.timestamp() - line.age))
            described = history.conversation(chat)
            described.unreadCount = 0 if line.who == OWNER else described.unreadCount + 1
        return len(past)

    async def go_on(self) -> None:
        """Let all people write and answer, at a human pace, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.answer)
            tasks.start_soon(self.talk)

    async def talk(self) -> None:
        """Send the live lines, until cancelled."""
        for line in self.world.live(self._seed):
            await self._sleep(line.pause)
            await self._say(line)

    async def answer(self) -> None:
        """Let all people read and answer the owner's messages, until cancelled."""
        async with anyio.create_task_group() as tasks:
            for person in self._people.values():
                tasks.start_soon(self._answer, person)

    def _chat(self, line: Line) -> Group | Person:
        return self._groups.get(line.chat) or self._people[line.chat]

    def _content(self, line: Line) -> str | E2E.Message:
        """The text of a line, or the message with its file."""
        if not line.text.startswith(FILE):
            return line.text
        name, _, caption = line.text.removeprefix(FILE).partition(" ")
        data = resources.files("whatsapp_simulator").joinpath("files", name).read_bytes()
        kind, fields = _FILES[name]
        return self._media.attach(kind, data, **fields, **({"caption": caption} if caption else {}))

    async def _say(self, line: Line) -> None:
        if line.who == OWNER:
            self._last[line.chat] = await self.phone.says(self._chat(line), self._content(line))
            return
        person = self._people[line.who]
        if line.text.startswith(REACTION):
            await person.reacts(self._last[line.chat], line.text.removeprefix(REACTION))
        elif line.text.startswith(REPLY):
            text = line.text.removeprefix(REPLY)
            self._last[line.chat] = await person.replies(self._last[line.chat], text)
        else:
            self._last[line.chat] = await person.says(self._content(line), self._groups.get(line.chat))

    async def _answer(self, person: Person) -> None:
        while True:
            try:
                received = await person.receives(_WAIT)
            except TimeoutError:
                continue
            if received.sender == self.phone.lid and received.chat == self.phone.lid:
                await self._answer_one(person, received)

    async def _answer_one(self, person: Person, received: Received) -> None:
        await person.received(received.id)
        await self._sleep(self._chance.uniform(0.5, 1.5))
        await person.reads(received.id)
        await self._sleep(self._chance.uniform(1.0, 3.0))
        await person.says(self.world.answer(person.name, self._chance))
