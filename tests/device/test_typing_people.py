"""Who is seen writing."""

from __future__ import annotations

import pytest

from tests.device.fake_clock import FakeClock
from whatsapp_mcp.device.typing_people import LASTS, TypingPeople
from whatsapp_mcp.protobufs import Neonize

COMPOSING, PAUSED = Neonize.ChatPresence.COMPOSING, Neonize.ChatPresence.PAUSED


def presence(user: str, state: Neonize.ChatPresence.ChatPresence.ValueType, *, own: bool = False) -> bytes:
    event = Neonize.ChatPresence(State=state, Media=Neonize.ChatPresence.TEXT)
    event.MessageSource.Chat.User, event.MessageSource.Chat.Server = user, "s.whatsapp.net"
    event.MessageSource.IsFromMe = own
    return event.SerializePartialToString()


def test_somebody_writes_until_they_stop() -> None:
    people = TypingPeople(FakeClock())
    people.hear(presence("1", COMPOSING))
    people.hear(presence("2", COMPOSING))
    assert people.chats() == ("1@s.whatsapp.net", "2@s.whatsapp.net")
    people.hear(presence("1", PAUSED))
    assert people.chats() == ("2@s.whatsapp.net",)


@pytest.mark.anyio
async def test_who_is_not_heard_of_again_no_longer_writes() -> None:
    clock = FakeClock()
    people = TypingPeople(clock)
    people.hear(presence("1", COMPOSING))
    await clock.advance(LASTS)
    assert people.chats() == ()


def test_what_the_owner_writes_on_the_phone_is_nobody_elses_writing() -> None:
    people = TypingPeople(FakeClock())
    people.hear(presence("1", COMPOSING, own=True))
    assert people.chats() == ()


def test_no_more_than_a_hundred_chats_are_remembered_and_nonsense_is_passed_over() -> None:
    people = TypingPeople(FakeClock())
    for number in range(300):
        people.hear(presence(str(number), COMPOSING))
    people.hear(b"\xff\xff")
    assert len(people.chats()) == 100
    assert people.chats()[-1] == "299@s.whatsapp.net"
