"""Edits, revokes, reactions and votes: the same outcome whichever comes first."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, GROUP, ME, NOON, journal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, outbox, recording
from whatsapp_mcp.archive.state.current_messages import secret_key
from whatsapp_mcp.models import (
    Actor,
    Message,
    MessageFilter,
    MessageKind,
    PollOption,
    Reaction,
    SendRequest,
    TextContent,
)
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio


async def only(archive: Archive) -> Message:
    (message,) = (await archive.messages()).items
    return message


@pytest.mark.parametrize("edit_first", [False, True])
async def test_an_edit_shows_the_new_text_and_keeps_the_old_one(archive: Archive, edit_first: bool) -> None:
    events = [ev.message("A1", "helo"), ev.edit("A1", "hello"), ev.edit("A1", "hello!", at=NOON + 70)]
    await archive.ingest(journal(events[::-1] if edit_first else events))
    message = await only(archive)
    assert message.text == "hello!"
    assert message.edited_at is not None
    assert message.edited_at.timestamp() == NOON + 70
    assert [text for _, text in await archive.edits(message.ref)] == ["helo", "hello"]
    assert (await archive.search("helo")).items == ()
    assert len((await archive.search("hello")).items) == 1


async def test_nobody_edits_the_message_of_another(archive: Archive) -> None:
    where: dict[str, Any] = {"chat": GROUP}
    await archive.ingest(
        journal([ev.message("A1", "mine", sender=ANA, **where), ev.edit("A1", "forged", sender=BOB, **where)])
    )
    assert (await only(archive)).text == "mine"


@pytest.mark.parametrize("revoke_first", [False, True])
async def test_a_revoked_message_keeps_its_place_and_nothing_of_its_text(
    archive: Archive, folder: AccountFolder, revoke_first: bool
) -> None:
    events = [ev.message("A1", "confidential"), ev.edit("A1", "confidential too"), ev.revoke("A1")]
    await archive.ingest(journal(events[::-1] if revoke_first else events))
    message = await only(archive)
    assert message.text == ""
    assert message.revoked_at is not None
    assert await archive.edits(message.ref) == ()
    assert (await archive.search("confidential")).items == ()
    with closing(sqlite3.connect(folder.raw_db)) as db:
        assert db.execute("SELECT count(*) FROM raw").fetchone() == (0,)


async def test_an_admin_revokes_the_message_of_a_member(archive: Archive) -> None:
    await archive.ingest(
        journal(
            [
                ev.message("A1", "spam", chat=GROUP, sender=BOB),
                ev.revoke("A1", of=BOB, chat=GROUP, sender=ANA),
            ]
        )
    )
    assert (await only(archive)).revoked_at is not None


@pytest.mark.parametrize("reaction_first", [False, True])
async def test_of_a_persons_reactions_the_newest_counts(archive: Archive, reaction_first: bool) -> None:
    events = [
        ev.message("A1", "news", name="Ana"),
        ev.reaction("A1", "👍"),
        ev.reaction("A1", "❤️", at=NOON + 40),
        ev.reaction("A1", "😂", sender=None),
    ]
    await archive.ingest(journal(events[::-1] if reaction_first else events))
    assert set((await only(archive)).reactions) == {
        Reaction("❤️", "Ana", stranger=True),
        Reaction("😂", "You", from_me=True),
    }


async def test_a_reaction_taken_back_is_gone(archive: Archive) -> None:
    events = [ev.message("A1"), ev.reaction("A1", "👍"), ev.reaction("A1", "", at=NOON + 50)]
    await archive.ingest(journal(events))
    assert (await only(archive)).reactions == ()


SECRET = bytes(range(32))


def poll(wa_id: str = "P1", **where: object) -> ev.Raw:
    body = E2E.Message()
    body.pollCreationMessageV3.name = "Lunch?"
    for option in ("Pizza", "Sushi", "Salad"):
        body.pollCreationMessageV3.options.add(optionName=option)
    body.pollCreationMessageV3.selectableOptionsCount = 1
    body.messageContextInfo.messageSecret = SECRET
    return ev.message(wa_id, body, chat=GROUP, **where)  # type: ignore[arg-type]


def vote(*options: str, voter: str, author: str, at: int, sender: str | None = "same") -> ev.Raw:
    chosen = E2E.PollVoteMessage(selectedOptions=[hashlib.sha256(one.encode()).digest() for one in options])
    iv = os.urandom(12)
    key = secret_key(SECRET, "P1", author, voter, "Poll Vote")
    body = E2E.Message()
    update = body.pollUpdateMessage
    update.pollCreationMessageKey.ID = "P1"
    update.senderTimestampMS = at * 1000
    update.vote.encPayload = AESGCM(key).encrypt(iv, chosen.SerializeToString(), f"P1\x00{voter}".encode())
    update.vote.encIV = iv
    return ev.message(f"V{at}", body, chat=GROUP, sender=voter if sender == "same" else sender, at=at)


@pytest.mark.parametrize("votes_first", [False, True])
async def test_poll_votes_are_decrypted_and_a_persons_newest_counts(
    archive: Archive, votes_first: bool
) -> None:
    names = [
        ev.message("N1", "x", sender=ANA, chat=ANA, name="Ana"),
        ev.message("N2", "x", chat=BOB, name="Bob"),
    ]
    events = [
        poll(sender=ANA),
        vote("Pizza", voter=BOB, author=ANA, at=NOON + 1),
        vote("Sushi", voter=BOB, author=ANA, at=NOON + 2),
        vote("Sushi", voter=ANA, author=ANA, at=NOON + 3),
        vote("Salad", voter=ME, author=ANA, at=NOON + 4, sender=None),
    ]
    await archive.ingest(journal(names + (events[::-1] if votes_first else events)))
    message = await archive.message("P1")
    assert message.poll == (
        PollOption("Pizza"),
        PollOption("Sushi", (Actor("Bob", stranger=True), Actor("Ana", stranger=True))),
        PollOption("Salad", (Actor("You", from_me=True),)),
    )
    assert [hit.message_id for hit in (await archive.search("sushi")).items] == ["P1"]
    assert message.details == {"choose": 1}


async def test_votes_sealed_under_the_hidden_addresses_are_opened(archive: Archive) -> None:
    await archive.ingest(
        journal(
            [
                ev.message("N1", "x", chat=ev.ANA_LID, alt=ANA, name="Ana"),
                poll(sender=ANA),
                vote("Pizza", voter=BOB, author=ev.ANA_LID, at=NOON + 1),
            ]
        )
    )
    assert (await archive.message("P1")).poll[0].voters == (Actor("+15550000002", stranger=True),)


@pytest.mark.parametrize("hidden_first", [False, True])
async def test_a_vote_is_opened_by_any_copy_of_its_poll(archive: Archive, hidden_first: bool) -> None:
    """While it is not known that both copies are of one person."""
    copies = [poll(sender=ANA), poll(sender=ev.ANA_LID)]
    sealed = vote("Pizza", voter=BOB, author=ANA, at=NOON + 1)
    await archive.ingest(journal([*(copies[::-1] if hidden_first else copies), sealed]))
    found = (await archive.messages(MessageFilter(kinds=(MessageKind.POLL,)))).items
    assert [message.poll[0].voters for message in found] == [(Actor("+15550000002", stranger=True),)] * 2


async def test_a_vote_that_is_forged_stays_sealed(archive: Archive) -> None:
    forged = vote("Pizza", voter=BOB, author=ANA, at=NOON + 1, sender="15550000009@s.whatsapp.net")
    event = ev.Raw(forged.code, forged.payload)
    await archive.ingest(journal([poll(sender=ANA), event]))
    assert all(not option.voters for option in (await archive.message("P1")).poll)


@for_each("sealed_first", [False, True])
@for_each("from_history", [False, True], archive="archives")
async def test_a_sealed_reaction_is_opened_with_the_secret_of_its_message(
    archive: Archive, sealed_first: bool, from_history: bool
) -> None:
    body = E2E.Message(conversation="announcement")
    body.messageContextInfo.messageSecret = SECRET
    message = ev.message("P1", body, chat=GROUP, sender=ANA)
    if from_history:
        value = ev.web_message("P1", body, chat=GROUP, sender=ANA)
        message = ev.history(ev.conversation([value], chat=GROUP))
    iv = os.urandom(12)
    plain = E2E.ReactionMessage(text="🎉", senderTimestampMS=NOON * 1000).SerializeToString()
    reaction = E2E.Message()
    reaction.encReactionMessage.targetMessageKey.ID = "P1"
    reaction.encReactionMessage.encPayload = AESGCM(
        secret_key(SECRET, "P1", ANA, BOB, "Enc Reaction")
    ).encrypt(iv, plain, None)
    reaction.encReactionMessage.encIV = iv
    sealed = ev.message("X1", reaction, chat=GROUP, sender=BOB, at=NOON + 1)
    events = [sealed, message] if sealed_first else [message, sealed]
    for seq, event in enumerate(events):
        await archive.ingest(journal([event], after=seq))
    assert [reaction.emoji for reaction in (await archive.message("P1")).reactions] == ["🎉"]


async def test_a_revoked_text_does_not_come_back_when_two_addresses_become_one(
    archive: Archive, folder: AccountFolder
) -> None:
    text = ev.web_message("A1", "confidential", chat=ev.ANA_LID)
    events = [
        ev.revoke("A1", chat=ANA),
        ev.undecryptable("A1", chat=ANA),
        ev.history(ev.conversation([text], chat=ev.ANA_LID)),
        ev.message("A2", "who is who", chat=ev.ANA_LID, alt=ANA, at=NOON + 5),
    ]
    for seq, event in enumerate(events):
        await archive.ingest(journal([event], after=seq))
    message = await archive.message("A1")
    assert (message.text, message.revoked_at is not None) == ("", True)
    assert (await archive.search("confidential")).items == ()
    with closing(sqlite3.connect(folder.raw_db)) as db:
        assert db.execute("SELECT count(*) FROM raw WHERE payload LIKE '%confidential%'").fetchone() == (0,)


async def test_a_sealed_answer_to_an_invitation_is_counted_like_a_vote(archive: Archive) -> None:
    invitation = E2E.Message()
    invitation.eventMessage.name = "Party"
    invitation.messageContextInfo.messageSecret = SECRET
    events = [ev.message("P1", invitation, chat=GROUP, sender=ANA)]
    for who, response, at in ((BOB, 3, 1), (BOB, 1, 2), (ANA, 2, 3)):
        plain = E2E.EventResponseMessage(response=response, timestampMS=(NOON + at) * 1000)  # type: ignore[arg-type]
        body = E2E.Message()
        answer = body.encEventResponseMessage
        answer.eventCreationMessageKey.ID = "P1"
        answer.encIV = os.urandom(12)
        answer.encPayload = AESGCM(secret_key(SECRET, "P1", ANA, who, "Event Response")).encrypt(
            answer.encIV, plain.SerializeToString(), f"P1\x00{who}".encode()
        )
        events.append(ev.message(f"R{at}", body, chat=GROUP, sender=who, at=NOON + at))
    await archive.ingest(journal(events[::-1]))
    message = await archive.message("P1")
    assert message.poll == (
        PollOption("Going", (Actor("+15550000002", stranger=True),)),
        PollOption("Not going", (Actor("+15550000001", stranger=True),)),
        PollOption("Maybe"),
    )
    assert (await archive.search("going")).items == ()


async def test_answers_to_an_invitation_come_with_the_past(archive: Archive) -> None:
    invitation = E2E.Message()
    invitation.eventMessage.name = "Party"
    value = ev.web_message("P1", invitation, sender=None)
    answer = value.eventResponses.add()
    answer.eventResponseMessageKey.fromMe = False
    answer.eventResponseMessage.response = 1
    answer.eventResponseMessage.timestampMS = NOON * 1000
    await archive.ingest(journal([ev.history(ev.conversation([value]))]))
    assert [option.voters for option in (await archive.message("P1")).poll] == [
        (Actor("+15550000001", stranger=True),),
        (),
        (),
    ]


@pytest.mark.parametrize("told_by", ["message", "outbox"])
async def test_a_sealed_reaction_to_our_own_send_is_opened(archive: Archive, told_by: str) -> None:
    await archive.write(recording.set_own, ME, ev.MY_LID, "Max")
    entry, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent("hello")))
    body = E2E.Message(conversation="hello")
    body.messageContextInfo.messageSecret = SECRET
    await archive.write(outbox.sending, entry.send_id, secret=SECRET)
    await archive.outbox_sent(
        entry.send_id,
        "P1",
        datetime.fromtimestamp(NOON, UTC),
        message=body.SerializeToString() if told_by == "message" else None,
    )
    iv = os.urandom(12)
    plain = E2E.ReactionMessage(text="🎉", senderTimestampMS=NOON * 1000).SerializeToString()
    reaction = E2E.Message()
    reaction.encReactionMessage.targetMessageKey.ID = "P1"
    reaction.encReactionMessage.encPayload = AESGCM(
        secret_key(SECRET, "P1", ev.MY_LID, ANA, "Enc Reaction")
    ).encrypt(iv, plain, None)
    reaction.encReactionMessage.encIV = iv
    await archive.ingest(journal([ev.message("X1", reaction, at=NOON + 1)]))
    message = await archive.message("P1")
    assert [reaction.emoji for reaction in message.reactions] == ["🎉"]
    assert message.details is None


def edited_in_the_past(text: str, at: int) -> Any:
    body = E2E.Message()
    change = body.editedMessage.message.protocolMessage
    change.type, change.key.ID, change.timestampMS = E2E.ProtocolMessage.MESSAGE_EDIT, "A1", at * 1000
    change.editedMessage.conversation = text
    return ev.history(ev.conversation([ev.web_message("A1", body)]))


@pytest.mark.parametrize("original", ["never", "first", "last"])
async def test_a_message_that_the_phone_hands_over_edited_is_shown(archive: Archive, original: str) -> None:
    events = [edited_in_the_past("hello", NOON + 60), edited_in_the_past("hello!", NOON + 70)]
    if original != "never":
        events.insert(0 if original == "first" else 2, ev.message("A1", "helo"))
    await archive.ingest(journal(events))
    message = await only(archive)
    assert (message.text, message.edited_at) == ("hello!", datetime.fromtimestamp(NOON + 70, UTC))
    earlier = ["hello"] if original == "never" else ["helo", "hello"]
    assert [text for _, text in await archive.edits("A1")] == earlier
    assert len((await archive.search("hello")).items) == 1


@pytest.mark.parametrize("later_first", [False, True])
async def test_of_two_times_that_are_told_of_a_message_the_earlier_counts(
    archive: Archive, folder: AccountFolder, later_first: bool
) -> None:
    copies = [ev.message("A1", "mine", sender=None, at=NOON + second) for second in (5, 0)]
    between = ev.message("A2", "theirs", at=NOON + 2)
    await archive.ingest(journal([*(copies if later_first else copies[::-1]), between]))
    page = await archive.messages()
    assert [(m.message_id, int(m.timestamp.timestamp())) for m in page.items] == [
        ("A2", NOON + 2),
        ("A1", NOON),
    ]
    assert (await archive.message(1)).text == "mine"
    assert (await archive.chats()).items[0].unread == 1
    assert len((await archive.search("mine")).items) == 1
    assert await archive.check() == ()
    with closing(sqlite3.connect(folder.raw_db)) as db:
        assert {row[0] >> 20 for row in db.execute("SELECT message_id FROM raw")} == {NOON, NOON + 2}
