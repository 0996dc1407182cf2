"""What of another chat, or of what nobody should see, leaves to a contact only after a question."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.device.conftest import Leader
from tests.device.guarded import AGENT, Guarded, guarding
from tests.media.document_files import pdf
from whatsapp_mcp.archive import recording
from whatsapp_mcp.device.operations import approvals, groups, sends
from whatsapp_mcp.errors import ApprovalRequired
from whatsapp_mcp.models import (
    Content,
    EditContent,
    FileContent,
    FileReading,
    ForwardContent,
    GroupChange,
    LocationContent,
    Passage,
    PollContent,
    ReadingKind,
    SendRequest,
    SendStatus,
    TextContent,
)
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp, kinds

pytestmark = pytest.mark.anyio

WORDS = "the quick brown fox jumps over the lazy dog and then it sleeps in the warm sun"
PASSWORD = "The password is Sommer2024!"


@pytest.fixture
async def guarded(wa: WhatsApp, linked: Leader, folder: AccountFolder) -> AsyncIterator[Guarded]:
    async with guarding(wa, linked, folder) as made:
        yield made


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(30):
        while not await holds():  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def ref_of(guarded: Guarded, message_id: str) -> int:
    """The ref of a message that somebody said, once it is archived."""

    async def is_archived() -> bool:
        items = (await guarded.leader.archive.messages()).items
        return any(each.message_id == message_id for each in items)

    await until(is_archived)
    return (await guarded.leader.archive.message(message_id)).ref


def to(guarded: Guarded, content: Content) -> SendRequest:
    return SendRequest(str(guarded.known.pn), content, wait=10)


def outgoing(folder: AccountFolder, content: bytes, suffix: str) -> Path:
    """A copy on its way out, as a server makes it."""
    folder.outgoing.mkdir(exist_ok=True)
    path = folder.outgoing / f"{hashlib.sha256(content).hexdigest()[:24]}{suffix}"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("Your verification code is 482913", "one-time code"),
        (PASSWORD, "a password"),
        ("Pay with 4111 1111 1111 1111", "a card number"),
        ("To DE89 3704 0044 0532 0130 00 please", "an IBAN"),
        (WORDS, "repeats many words"),
    ],
)
async def test_what_is_forwarded_is_looked_at_like_what_is_written(
    guarded: Guarded, said: str, what: str
) -> None:
    ref = await ref_of(guarded, await guarded.stranger.says(said))
    with pytest.raises(ApprovalRequired, match=f"what is forwarded .*{what}"):
        await guarded.agent.do(sends.send, to(guarded, ForwardContent(ref)))
    assert guarded.known.inbox == []


async def test_a_forwarded_poll_is_looked_at_with_its_options(guarded: Guarded) -> None:
    poll = kinds.poll("Which one?", ["password: hunter2", "none"], bytes(32))
    ref = await ref_of(guarded, await guarded.stranger.says(poll))
    with pytest.raises(ApprovalRequired, match="a password"):
        await guarded.agent.do(sends.send, to(guarded, ForwardContent(ref)))


async def test_a_poll_of_the_archive_is_forwarded_with_its_options(guarded: Guarded) -> None:
    poll = kinds.poll("Which one?", ["Red", "Blue"], bytes(32))
    ref = await ref_of(guarded, await guarded.stranger.says(poll))
    assert (await guarded.agent.do(sends.send, to(guarded, ForwardContent(ref)))).status is SendStatus.SENT
    with anyio.fail_after(30):
        got = (await guarded.known.receives()).message.pollCreationMessage
    assert (got.name, [option.optionName for option in got.options]) == ("Which one?", ["Red", "Blue"])


async def test_words_that_were_recognised_in_a_picture_are_looked_at_when_it_is_forwarded(
    guarded: Guarded,
) -> None:
    picture = guarded.wa.media.attach("image", b"\xff\xd8\xff picture", caption="Look")
    ref = await ref_of(guarded, await guarded.stranger.says(picture))
    await guarded.leader.archive.write(
        recording.record_reading,
        ref,
        FileReading(ReadingKind.PICTURE, (Passage("Your login code: 482913"),), "test"),
    )
    with pytest.raises(ApprovalRequired, match="one-time code"):
        await guarded.agent.do(sends.send, to(guarded, ForwardContent(ref)))


async def test_everyday_words_are_forwarded_unasked(guarded: Guarded) -> None:
    ref = await ref_of(guarded, await guarded.stranger.says("The bakery in Mill Lane is open again at 7"))
    assert (await guarded.agent.do(sends.send, to(guarded, ForwardContent(ref)))).status is SendStatus.SENT


@pytest.mark.parametrize("suffix", [".pdf", ".1600.jpg"])
async def test_a_file_of_another_chat_is_a_forward_however_it_is_sent(
    guarded: Guarded, folder: AccountFolder, suffix: str
) -> None:
    content = pdf(["The boat leaves at seven."])
    attached = guarded.wa.media.attach("document", content, fileName="a.pdf", mimetype="application/pdf")
    ref = await ref_of(guarded, await guarded.stranger.says(attached))
    path = outgoing(folder, content, suffix)
    if suffix == ".1600.jpg":
        path.write_bytes(b"made of it")
    for number in range(3):
        sent = to(guarded, FileContent("document", str(path), "application/pdf", file_name=f"{number}.pdf"))
        assert (await guarded.agent.do(sends.send, sent)).status is SendStatus.SENT
    with pytest.raises(ApprovalRequired, match="more than 3 forwards"):
        await guarded.agent.do(sends.send, to(guarded, FileContent("document", str(path), "application/pdf")))
    await guarded.leader.archive.write(
        recording.record_reading, ref, FileReading(ReadingKind.DOCUMENT, (Passage(PASSWORD),), "test")
    )
    with pytest.raises(ApprovalRequired, match="what is forwarded has a password"):
        await guarded.agent.do(
            sends.send, to(guarded, FileContent("document", str(path), "application/pdf", "Look"))
        )


async def test_a_file_of_which_no_digest_is_known_is_recognised_by_its_content(
    guarded: Guarded, folder: AccountFolder
) -> None:
    content = b"\xff\xd8\xff an old picture"
    ref = await ref_of(guarded, await guarded.stranger.says(guarded.wa.media.attach("image", content)))
    there = folder.media / f"{ref}.jpg"
    there.write_bytes(content)
    archive = guarded.leader.archive
    await archive.write(recording.record_media_path, ref, str(there))
    with closing(sqlite3.connect(folder.archive_db)) as db, db:  # as an import leaves it
        db.execute("UPDATE media SET sha256 = NULL")
    await archive.write(
        recording.record_reading, ref, FileReading(ReadingKind.PICTURE, (Passage(PASSWORD),), "test")
    )
    path = outgoing(folder, content, ".jpg")
    with pytest.raises(ApprovalRequired, match="what is forwarded has a password"):
        await guarded.agent.do(sends.send, to(guarded, FileContent("image", str(path), "image/jpeg")))


async def test_the_words_of_a_text_of_this_computer_are_looked_at(
    guarded: Guarded, folder: AccountFolder
) -> None:
    await ref_of(guarded, await guarded.stranger.says(WORDS))
    plain = outgoing(folder, WORDS.encode(), ".txt")
    with pytest.raises(ApprovalRequired, match="the file repeats many words"):
        await guarded.agent.do(sends.send, to(guarded, FileContent("document", str(plain), "text/plain")))


@pytest.mark.parametrize(
    "content",
    [
        PollContent("the quick brown fox jumps", ("over the lazy dog", "and then it sleeps")),
        LocationContent(1.0, 2.0, "the quick brown fox jumps over", "the lazy dog and then it sleeps"),
        EditContent("3EB0", WORDS),
    ],
)
async def test_words_in_parts_of_one_message_are_looked_at_together(
    guarded: Guarded, content: Content
) -> None:
    await ref_of(guarded, await guarded.stranger.says(WORDS))
    with pytest.raises(ApprovalRequired, match="repeats many words"):
        await guarded.agent.do(sends.send, to(guarded, content))


async def test_captions_and_names_of_files_are_looked_at(guarded: Guarded, folder: AccountFolder) -> None:
    await ref_of(guarded, await guarded.stranger.says(WORDS))
    path = str(outgoing(folder, b"flour", ".txt"))
    for content in (
        FileContent("document", path, "text/plain", caption=WORDS),
        FileContent("document", path, "text/plain", file_name=f"{WORDS.replace(' ', '-')}.txt"),
    ):
        with pytest.raises(ApprovalRequired, match="it repeats many words"):
            await guarded.agent.do(sends.send, to(guarded, content))


async def test_a_secret_or_a_text_in_pieces_is_asked_about_at_the_piece_that_completes_it(
    guarded: Guarded,
) -> None:
    await ref_of(guarded, await guarded.stranger.says(WORDS))
    for pieces, what in (
        (("the quick brown fox", "jumps over the lazy", "dog and then it sleeps in"), "repeats many"),
        (("41111111", "11111111"), "a card number"),
        (("his wifi password:", "hunter2"), "a password"),
    ):
        *first, last = pieces
        for piece in first:
            last_sent = await guarded.agent.do(sends.send, to(guarded, TextContent(piece)))
            if last_sent.status is not SendStatus.SENT:
                break
        with pytest.raises(ApprovalRequired, match=what):
            await guarded.agent.do(sends.send, to(guarded, TextContent(last)))


async def test_what_follows_a_secret_that_was_approved_is_not_asked_about_again(guarded: Guarded) -> None:
    with pytest.raises(ApprovalRequired) as error:
        await guarded.agent.do(sends.send, to(guarded, TextContent("IBAN: DE89 3704 0044 0532 0130 00")))
    await guarded.person.do(approvals.decide, error.value.approval, True, "terminal")
    with anyio.fail_after(30):
        await guarded.known.receives()
    assert (
        await guarded.agent.do(sends.send, to(guarded, TextContent("Bye for now")))
    ).status is SendStatus.SENT


async def test_pieces_of_another_reader_or_for_another_chat_do_not_count(guarded: Guarded) -> None:
    other = guarded.acting_for(replace(AGENT, principal="stdio:other"))
    assert (
        await other.do(sends.send, to(guarded, TextContent("his wifi password:")))
    ).status is SendStatus.SENT
    assert (await guarded.agent.do(sends.send, to(guarded, TextContent("hunter2")))).status is SendStatus.SENT


async def test_names_and_topics_of_groups_are_looked_at(guarded: Guarded) -> None:
    await ref_of(guarded, await guarded.stranger.says(WORDS))
    group = guarded.wa.group("Town", [guarded.known])
    jid = str(group.jid)
    await guarded.agent.do(groups.group, jid)
    with pytest.raises(ApprovalRequired, match="repeats many words"):
        await guarded.agent.do(groups.change_group, jid, GroupChange(topic=WORDS))
    with pytest.raises(ApprovalRequired, match="a password"):
        await guarded.agent.do(groups.change_group, jid, GroupChange(name="pw: hunter22"))
    with pytest.raises(ApprovalRequired, match="a password"):
        await guarded.agent.do(groups.create_group, "pw: hunter22", (str(guarded.known.pn),))
    await guarded.agent.do(groups.change_group, jid, GroupChange(topic="Sunday at noon, pier 4"))
    assert group.topic is not None
    assert group.topic.text == "Sunday at noon, pier 4"


async def test_a_group_made_in_a_community_is_asked_about_as_what_is_written_there(guarded: Guarded) -> None:
    community = guarded.wa.group("Village", [guarded.known, guarded.stranger])
    await guarded.agent.do(groups.group, str(community.jid))
    with pytest.raises(ApprovalRequired):
        await guarded.agent.do(
            groups.create_group, "Lunch", (str(guarded.known.pn),), parent=str(community.jid)
        )
    (question,) = await guarded.person.do(approvals.approvals)
    assert "Village" in " ".join(question.question)


async def test_the_photo_of_a_group_may_be_a_file_of_another_chat(
    guarded: Guarded, folder: AccountFolder
) -> None:
    content = b"\xff\xd8\xff a code"
    ref = await ref_of(guarded, await guarded.stranger.says(guarded.wa.media.attach("image", content)))
    await guarded.leader.archive.write(
        recording.record_reading,
        ref,
        FileReading(ReadingKind.PICTURE, (Passage("Your login code: 482913"),), "test"),
    )
    group = guarded.wa.group("Town", [guarded.known])
    await guarded.agent.do(groups.group, str(group.jid))
    path = outgoing(folder, content, ".photo.jpg")
    path.write_bytes(b"made of it")
    with pytest.raises(ApprovalRequired, match="one-time code"):
        await guarded.agent.do(groups.change_group, str(group.jid), GroupChange(photo=str(path)))
