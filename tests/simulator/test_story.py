"""A world on stage, as the owner's real client sees it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.simulator.neonize_client import linked, neonize_client
from whatsapp_mcp.protobufs import HistorySync
from whatsapp_mcp.simulator import WhatsApp
from whatsapp_mcp.simulator.story import Story
from whatsapp_mcp.simulator.world import REACTION, REPLY, World

pytestmark = pytest.mark.anyio


class Clock:
    """Sleeps that end at once, up to a limit of turns; then they last for ever."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        if len(self.slept) >= self.turns:
            await anyio.sleep_forever()
        self.slept.append(seconds)
        await anyio.lowlevel.checkpoint()


def text_of(event: Any) -> str:
    return event.Message.conversation or event.Message.extendedTextMessage.text


def is_said(event: Any) -> bool:
    """Whether it is more than a key."""
    return bool(text_of(event) or event.Message.reactionMessage.text)


def as_written(event: Any) -> str:
    """The line of the world that became this message."""
    message = event.Message
    if message.reactionMessage.text:
        return REACTION + message.reactionMessage.text
    return (REPLY if message.extendedTextMessage.contextInfo.stanzaID else "") + text_of(event)


async def test_the_owners_device_gets_the_past_as_history(wa: WhatsApp, tmp_path: Path) -> None:
    world = World.load()
    story = Story(wa, world)
    now = datetime.now().astimezone()
    past = world.past(now, 1)
    assert story.remember() == len(past)
    async with neonize_client(wa, tmp_path / "client.db") as client:
        await linked(wa, client)
        await story.phone.hand_over()
        is_initial = HistorySync.HistorySync.INITIAL_BOOTSTRAP
        event = await client.wait("HistorySync", lambda event: event.Data.syncType == is_initial)

    got = [each.message for chat in event.Data.conversations for each in chat.messages]
    assert Counter(each.message.conversation for each in got) == Counter(line.text for line in past)
    times = {each.message.conversation: each.messageTimestamp for each in got}
    for line in past:
        assert times[line.text] == pytest.approx(now.timestamp() - line.age, abs=30)
    unread = {chat.name: chat.unreadCount for chat in event.Data.conversations}
    assert (unread["Möwe ⛵"], unread["Saturday dinner"], unread["Klasse 3b Eltern"]) == (9, 5, 1)
    assert not wa.log


async def test_people_go_on_talking_at_their_pace(wa: WhatsApp, tmp_path: Path) -> None:
    told = list(islice(World.load().live(1), 12))
    got: list[str] = []
    clock = Clock(turns=len(told))
    story = Story(wa, World.load(), sleep=clock.sleep)
    async with neonize_client(wa, tmp_path / "client.db") as client:
        await linked(wa, client)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(story.talk)
            got += [as_written(await client.wait("Message", is_said)) for _ in told]
            tasks.cancel_scope.cancel()
    assert got == [line.text for line in told]
    assert clock.slept == [line.pause for line in told]
    assert not wa.log


async def test_whoever_gets_a_message_of_the_owner_reads_and_answers_it(wa: WhatsApp, tmp_path: Path) -> None:
    world = World.load()
    story = Story(wa, world, sleep=Clock(turns=2).sleep)
    ann = next(person for person in world.people if person.name == "Ann Byrne")
    async with neonize_client(wa, tmp_path / "client.db") as client:
        await linked(wa, client)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(story.answer)
            await client.call(f"client.send_message(jid('{ann.number[1:]}'), 'Both tins, please.')")
            await client.wait("Receipt", lambda event: event.Type == event.READ, timeout=20)
            assert text_of(await client.message(timeout=20)) in ann.answers
            tasks.cancel_scope.cancel()
