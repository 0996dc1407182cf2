"""A world that plays on the simulator, seen by the owner's real client."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import islice
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from tests.simulator.bare_companion import BareClient
from tests.simulator.neonize_client import linked, neonize_client
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import E2E, HistorySync
from whatsapp_simulator import WhatsApp
from whatsapp_simulator import scenario as scenario_module
from whatsapp_simulator.envelope import text_of
from whatsapp_simulator.scenario import Scenario
from whatsapp_simulator.world import FILE, OWNER, REACTION, REPLY, World

pytestmark = pytest.mark.anyio


class Clock:
    """Sleeps that end at once, up to a limit of turns; later ones last forever."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        if len(self.slept) >= self.turns:
            await anyio.sleep_forever()
        self.slept.append(seconds)
        await anyio.lowlevel.checkpoint()


NAMES = {"imageMessage": "keel.jpg", "audioMessage": "tins.ogg", "documentMessage": "devis.pdf"}
"""The only file of each kind in the world."""


def as_written(message: E2E.Message) -> str:
    """The line of the world behind this message."""
    if message.reactionMessage.text:
        return REACTION + message.reactionMessage.text
    for field, value in message.ListFields():
        if field.name in NAMES:
            return f"{FILE}{NAMES[field.name]} {getattr(value, 'caption', '')}".strip()
    return (REPLY if message.extendedTextMessage.contextInfo.stanzaID else "") + text_of(message)


async def test_the_owners_device_gets_the_past_as_history(wa: WhatsApp, tmp_path: Path) -> None:
    world = World.load()
    scenario = Scenario(wa, world)
    now = datetime.now().astimezone()
    past = world.past(now, 1)
    assert scenario.remember() == len(past)
    async with neonize_client(wa, tmp_path / "client.db") as client:
        await linked(wa, client)
        await scenario.phone.hand_over()
        is_initial = HistorySync.HistorySync.INITIAL_BOOTSTRAP
        event = await client.wait("HistorySync", lambda event: event.Data.syncType == is_initial)

    got = [each.message for chat in event.Data.conversations for each in chat.messages]
    assert Counter(as_written(each.message) for each in got) == Counter(line.text for line in past)
    times = {as_written(each.message): each.messageTimestamp for each in got}
    for line in past:
        assert times[line.text] == pytest.approx(now.timestamp() - line.age, abs=30)
    unread = {chat.name: chat.unreadCount for chat in event.Data.conversations}
    assert (unread["Möwe ⛵"], unread["Saturday dinner"], unread["Klasse 3b Eltern"]) == (10, 5, 1)
    assert not wa.log
    files = [each.message for each in got if as_written(each.message).startswith(FILE)]
    folder = Path(scenario_module.__file__).parent / "files"
    assert {wa.media.open(message) for message in files} == {each.read_bytes() for each in folder.iterdir()}


async def test_people_go_on_talking_at_their_pace() -> None:
    told = list(islice(World.load().live(1), 12))
    async with WhatsApp(seed=7) as wa:
        clock = Clock(turns=len(told))
        scenario = Scenario(wa, World.load(), sleep=clock.sleep)
        phone = scenario.phone
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(scenario.talk)
            await wa.network.until(lambda: len(phone.inbox) + len(phone.sent) == len(told), 10)
            tasks.cancel_scope.cancel()
    heard, said = ([line.text for line in told if (line.who == OWNER) == own] for own in (False, True))
    assert [as_written(each.message) for each in phone.inbox] == heard
    assert [as_written(each.message) for each in phone.sent.values()] == said
    assert clock.slept == [line.pause for line in told]


async def test_whoever_gets_a_message_of_the_owner_reads_and_answers_it() -> None:
    world = World.load()
    async with WhatsApp(seed=7) as wa:
        scenario = Scenario(wa, world, sleep=Clock(turns=2).sleep)
        phone = scenario.phone
        ann = next(person for person in world.people if person.name == "Ann Byrne")
        user = wa.network.user(Jid.phone(ann.number))
        assert user is not None
        client = BareClient(wa)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(scenario.answer)
            sent = await phone.says(user, "Both tins, please.")
            answer = await phone.receives()
            assert (answer.sender, answer.text in ann.answers) == (user.lid, True)
            receipts = [(each.get("id"), each.get("type")) for each in client.sent if each.tag == "receipt"]
            assert receipts == [(sent, ""), (sent, "read")]
            tasks.cancel_scope.cancel()
