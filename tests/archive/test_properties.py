"""Any order and repetition of the same events gives the same archive."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.archive import events as ev
from tests.archive.dump import differences
from tests.archive.events import ANA, ANA_LID, BOB, BOB_LID, GROUP, NOON, NOW, Raw, journal
from tests.archive.worlds import PLACES, SETTINGS, whole
from tests.properties import examples
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.models import Message, MessageFilter, Quote
from whatsapp_mcp.settings import AccountFolder

CHATS = st.sampled_from([ANA, BOB, GROUP])
NUMBERS = st.integers(0, 5)
"""Few messages, so that events meet."""


def message_id(number: int) -> str:
    return f"3EB0{number}"


def place(draw: st.DrawFn, number: int, chat: str) -> dict[str, Any]:
    """Chat and sender of a message: fixed by its number, under either address of the person."""
    if chat == GROUP:
        pn, lid = ((ANA, ANA_LID), (BOB, BOB_LID), (None, None))[number % 3]
        sender = draw(st.sampled_from([pn, lid])) if pn else None
        alt = {ANA: ANA_LID, ANA_LID: ANA, BOB: BOB_LID, BOB_LID: BOB}.get(sender or "")
        return {"chat": GROUP, "sender": sender, "alt": alt if draw(st.booleans()) else None}
    lid = {ANA: ANA_LID, BOB: BOB_LID}[chat]
    where = draw(st.sampled_from([chat, lid]))
    mine = number % 2 == 0
    other = lid if where == chat else chat
    told = draw(st.booleans())
    if mine:
        return {"chat": where, "sender": None, "recipient_alt": other if told else None}
    return {"chat": where, "alt": other if told else None}


@st.composite
def an_event(draw: st.DrawFn) -> Raw:
    """Something that happens to one of a few messages; its content is fixed by what it is about."""
    chat, number = draw(CHATS), draw(NUMBERS)
    wa_id, at = message_id(number), NOON + number * 10
    where = place(draw, number, chat)
    kind = draw(
        st.sampled_from(
            ["message", "message", "undecryptable", "edit", "revoke", "reaction", "receipt", "history"]
        )
    )
    if kind == "message":
        return ev.message(wa_id, f"text {number} of {chat}", at=at, **where)
    if kind == "undecryptable":
        return ev.undecryptable(wa_id, chat=where["chat"], sender=where.get("sender", ""), at=at)
    if kind == "edit":
        turn = draw(st.integers(1, 3))
        return ev.edit(
            wa_id, f"edit {turn} of {number}", at=at + turn, own_id=f"E{chat}{number}{turn}", **where
        )
    if kind == "revoke" and number == 5:
        return ev.revoke(wa_id, at=at + 5, **where)
    if kind == "receipt":
        reader = draw(st.sampled_from([ANA, ANA_LID])) if chat == GROUP else ""
        mark = draw(st.sampled_from(["DELIVERED", "READ"]))
        return ev.receipt(wa_id, kind=mark, chat=where["chat"], sender=reader, at=at + 3)
    if kind == "history":
        value = ev.web_message(
            wa_id, f"text {number} of {chat}", chat=chat, sender=history_sender(number, chat), at=at
        )
        return ev.history(ev.conversation([value], chat=chat, unread=1))
    who = draw(st.sampled_from([ANA, ANA_LID])) if chat == GROUP else ""
    emoji = draw(st.sampled_from(["👍", "❤️", ""]))
    stamp = at + 1 + ["👍", "❤️", ""].index(emoji)
    return ev.reaction(wa_id, emoji, at=stamp, chat=where["chat"], sender=who)


def history_sender(number: int, chat: str) -> str | None:
    if chat == GROUP:
        return (ANA, BOB, None)[number % 3]
    return None if number % 2 == 0 else ""


def plain(message: Message) -> Message:
    """A message without what depends on the order of arrival: its number."""
    quote = replace(message.quote, ref=None) if isinstance(message.quote, Quote) else None
    return replace(message, ref=0, quote=quote, reactions=tuple(sorted(message.reactions, key=repr)))


async def told(archive: Archive) -> Any:
    """Everything that can be read of an archive."""
    chats = (await archive.chats(limit=100)).items
    messages = {
        chat.jid: [plain(m) for m in (await archive.messages(MessageFilter(chat=chat.jid), limit=500)).items]
        for chat in chats
    }
    earlier = {
        (chat, m.message_id): [text for _, text in await archive.edits(m.message_id)]
        for chat, found in messages.items()
        for m in found
        if sum(one.message_id == m.message_id for others in messages.values() for one in others) == 1
    }
    found = [plain(m) for m in (await archive.search("text", limit=500)).items]
    assert await archive.check() == ()
    return (
        sorted((replace(chat, last_message=None) for chat in chats), key=lambda chat: chat.jid),
        messages,
        earlier,
        sorted(found, key=lambda m: (m.timestamp, m.chat)),
    )


async def outcome(batches: list[list[Raw]]) -> Any:
    with tempfile.TemporaryDirectory() as name:
        folder = AccountFolder("default", Path(name) / "accounts" / "default")
        async with open_archive(folder, write=True, now=lambda: NOW) as archive:
            seq = 0
            for batch in batches:
                result = await archive.ingest(journal(batch, after=seq))
                assert result.undecoded == 0
                seq += len(batch)
            await archive.write(recording.record_identities, [(ANA, ANA_LID), (BOB, BOB_LID)])
            return await told(archive)


@settings(max_examples=examples(40))
@given(data=st.data(), events=st.lists(an_event(), min_size=1, max_size=12))
def test_any_order_and_repetition_gives_the_same_archive(data: st.DataObject, events: list[Raw]) -> None:
    again = data.draw(st.lists(st.sampled_from(events), max_size=4), label="repeated")
    shuffled = data.draw(st.permutations(events + again), label="order")
    cut = data.draw(st.integers(0, len(shuffled)), label="cut")
    first = anyio.run(outcome, [events])
    second = anyio.run(outcome, [shuffled[:cut], shuffled[cut:]])
    assert second == first


# `make worlds` tries 20,000, every week.
@settings(max_examples=examples(5))
@given(data=st.data())
@pytest.mark.parametrize(("place", "introduced"), SETTINGS)
def test_every_row_is_the_same_whatever_came_first(place: str, introduced: bool, data: st.DataObject) -> None:
    chosen = st.lists(st.sampled_from(PLACES[place]), min_size=1, max_size=20)
    events = data.draw(chosen, label="events")
    again = data.draw(st.lists(st.sampled_from(events), max_size=4), label="repeated")
    shuffled = data.draw(st.permutations(events + again), label="order")
    cut = data.draw(st.integers(0, len(shuffled)), label="cut")
    one = anyio.run(lambda: whole([events], introduced=introduced))
    other = anyio.run(lambda: whole([shuffled[:cut], shuffled[cut:]], introduced=introduced))
    assert differences(one, other) == {}


@pytest.mark.anyio
async def test_one_by_one_and_all_at_once_give_the_same_archive() -> None:
    events = [
        ev.message("3EB01", "one"),
        ev.reaction("3EB01", "👍", sender=None),
        ev.message("3EB02", "two", chat=ANA_LID, at=NOON + 1),
        ev.edit("3EB02", "zwei", chat=ANA_LID, at=NOON + 2),
    ]
    assert await outcome([events]) == await outcome([[event] for event in events])
