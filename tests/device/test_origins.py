"""What takes the words of a chat elsewhere is a reading of that chat: by file, by forward or by quote."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from tests.device.conftest import Leader
from tests.device.guarded import AGENT, Guarded, guarding, write_policy
from tests.device.test_concerns import outgoing, ref_of
from whatsapp_mcp.archive import recording
from whatsapp_mcp.device.operations import approvals, groups, profile, sends
from whatsapp_mcp.device.operations.registry import OPERATIONS
from whatsapp_mcp.errors import ApprovalRequired, Denied
from whatsapp_mcp.ledger import taint_in
from whatsapp_mcp.models import (
    ContactUpdate,
    Content,
    FileContent,
    ForwardContent,
    GroupChange,
    ProfileChange,
    SendRequest,
    SendStatus,
    TextContent,
)
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

DIARY = b"The diary says that nothing is well"
RULES = {
    verdict: f'[policy]\nmode = "{{mode}}"\n\n[[policy.chats]]\nname = "Ann"\nread = "{verdict}"\n'
    for verdict in ("ask", "deny")
}
ERRORS = {"ask": ApprovalRequired, "deny": Denied}
VERDICTS = pytest.mark.parametrize("verdict", ["ask", "deny"])
MODES = pytest.mark.parametrize("mode", ["standard", "lockdown", "open"])


@pytest.fixture
async def guarded(wa: WhatsApp, linked: Leader, folder: AccountFolder) -> AsyncIterator[Guarded]:
    async with guarding(wa, linked, folder) as made:
        yield made


def rule(folder: AccountFolder, verdict: str, mode: str = "standard") -> None:
    write_policy(folder, RULES[verdict].format(mode=mode))


async def own(guarded: Guarded) -> str:
    number, _, _ = await guarded.leader.archive.own()
    assert number is not None
    return number


async def said_to_oneself(guarded: Guarded) -> list[str]:
    """The kinds of what was sent to the chat with oneself, but for questions."""
    me = await own(guarded)
    return [one.kind.value for one in (await guarded.leader.archive.messages()).items if one.chat == me]


async def document_of_ann(guarded: Guarded) -> int:
    attached = guarded.wa.media.attach("document", DIARY, fileName="menu.txt", mimetype="text/plain")
    return await ref_of(guarded, await guarded.known.says(attached))


def the_file(folder: AccountFolder, content: bytes = DIARY) -> FileContent:
    return FileContent("document", str(outgoing(folder, content, ".txt")), "text/plain")


async def question(guarded: Guarded) -> str:
    (held,) = await guarded.person.do(approvals.approvals)
    return "\n".join([*held.question, held.reason])


@MODES
@VERDICTS
@pytest.mark.parametrize("how", ["forward", "file"])
async def test_words_that_may_not_be_read_are_not_taken_into_the_chat_with_oneself(
    guarded: Guarded, folder: AccountFolder, how: str, verdict: str, mode: str
) -> None:
    ref = await document_of_ann(guarded)
    rule(folder, verdict, mode)
    content: Content = ForwardContent(ref) if how == "forward" else the_file(folder)
    with pytest.raises(ERRORS[verdict]):
        await guarded.agent.do(sends.send, SendRequest(await own(guarded), content, wait=10))
    assert await said_to_oneself(guarded) == []


@MODES
@VERDICTS
@pytest.mark.parametrize("how", ["forward", "file"])
async def test_words_that_may_not_be_read_are_not_taken_to_a_contact(
    guarded: Guarded, folder: AccountFolder, how: str, verdict: str, mode: str
) -> None:
    ref = await document_of_ann(guarded)
    rule(folder, verdict, mode)
    ben = guarded.wa.person("Ben")
    await guarded.leader.archive.write(
        recording.record_contacts, [ContactUpdate(str(ben.pn), saved_name="Ben")]
    )
    content: Content = ForwardContent(ref) if how == "forward" else the_file(folder)
    with pytest.raises(ERRORS[verdict]):
        await guarded.agent.do(sends.send, SendRequest(str(ben.pn), content, wait=10))
    assert ben.inbox == []


async def test_the_question_says_whose_words_would_leave(guarded: Guarded, folder: AccountFolder) -> None:
    ref = await document_of_ann(guarded)
    rule(folder, "ask")
    for content in (ForwardContent(ref), the_file(folder)):
        with pytest.raises(ApprovalRequired) as error:
            await guarded.agent.do(sends.send, SendRequest(await own(guarded), content))
        assert "it carries what is from another chat, and a rule wants every one asked about" in str(
            error.value
        )
        asked = await question(guarded)
        assert "in the chat “Ann”" in asked
        await guarded.person.do(approvals.decide, error.value.approval, True, "terminal")


async def test_who_sends_a_file_again_does_not_hide_from_whom_it_came_first(
    guarded: Guarded, folder: AccountFolder
) -> None:
    first = await document_of_ann(guarded)
    attached = guarded.wa.media.attach("document", DIARY, fileName="menu.txt", mimetype="text/plain")
    again = await ref_of(guarded, await guarded.stranger.says(attached))
    with pytest.raises(ApprovalRequired):
        await guarded.agent.do(sends.send, SendRequest(str(guarded.stranger.pn), the_file(folder)))
    came = f"which came with message #{first} in the chat “Ann” and message #{again} in the chat “Eve”"
    assert came in await question(guarded)


async def test_a_forwarded_file_is_asked_about_by_its_name_kind_and_size(
    guarded: Guarded, folder: AccountFolder
) -> None:
    ref = await document_of_ann(guarded)
    rule(folder, "ask")
    with pytest.raises(ApprovalRequired):
        await guarded.agent.do(sends.send, SendRequest(await own(guarded), ForwardContent(ref)))
    assert "Its file is named “menu.txt”: “text/plain”, 35 bytes, as its sender says" in await question(
        guarded
    )


async def test_once_the_person_agrees_it_goes_out(guarded: Guarded, folder: AccountFolder) -> None:
    ref = await document_of_ann(guarded)
    rule(folder, "ask")
    with pytest.raises(ApprovalRequired) as error:
        await guarded.agent.do(sends.send, SendRequest(await own(guarded), ForwardContent(ref)))
    await guarded.person.do(approvals.decide, error.value.approval, True, "terminal")
    with anyio.fail_after(30):
        while not await said_to_oneself(guarded):  # noqa: ASYNC110
            await anyio.sleep(0.01)


@VERDICTS
async def test_a_quote_of_a_group_that_may_not_be_read_reaches_nobody_else(
    guarded: Guarded, folder: AccountFolder, verdict: str
) -> None:
    group = guarded.wa.group("Town", [guarded.known])
    said = await guarded.known.says("the treasurer took the money", group)
    await ref_of(guarded, said)
    write_policy(folder, f'[[policy.chats]]\njid = "{group.jid}"\nread = "{verdict}"\n')
    answer = SendRequest(
        str(guarded.known.pn), TextContent("hm"), reply_to=said, reply_chat=str(group.jid), wait=10
    )
    with pytest.raises(ERRORS[verdict], match="t carries what is from another chat"):
        await guarded.agent.do(sends.send, answer)
    assert guarded.known.inbox == []


@VERDICTS
@pytest.mark.parametrize("of", ["group", "profile"])
async def test_a_picture_that_may_not_be_read_becomes_no_photo(
    guarded: Guarded, folder: AccountFolder, of: str, verdict: str
) -> None:
    content = b"\xff\xd8\xff a picture"
    await ref_of(guarded, await guarded.known.says(guarded.wa.media.attach("image", content)))
    group = guarded.wa.group("Town", [guarded.known])
    await guarded.agent.do(groups.group, str(group.jid))
    rule(folder, verdict)
    path = outgoing(folder, content, ".photo.jpg")
    path.write_bytes(b"made of it")
    with pytest.raises(ERRORS[verdict]):
        if of == "group":
            await guarded.agent.do(groups.change_group, str(group.jid), GroupChange(photo=str(path)))
        else:
            await guarded.agent.do(profile.change_profile, ProfileChange(photo=str(path)))


async def test_an_agent_that_may_know_nothing_of_a_chat_is_not_told_its_name(
    guarded: Guarded, folder: AccountFolder
) -> None:
    await document_of_ann(guarded)
    rule(folder, "deny")
    with pytest.raises(Denied) as error:
        await guarded.agent.do(sends.send, SendRequest(await own(guarded), the_file(folder)))
    assert "Ann" not in str(error.value)


async def test_a_scheduled_forward_is_decided_about_as_a_reading_too(
    guarded: Guarded, folder: AccountFolder
) -> None:
    ref = await document_of_ann(guarded)
    rule(folder, "deny")
    at = guarded.gate.clock.now() + timedelta(hours=1)
    with pytest.raises(Denied):
        await guarded.agent.do(sends.send, SendRequest(await own(guarded), ForwardContent(ref), at=at))


async def test_a_file_that_another_chat_shows_to_the_agent_goes_out_unasked(
    guarded: Guarded, folder: AccountFolder
) -> None:
    await document_of_ann(guarded)
    ben = guarded.wa.person("Ben")
    await guarded.leader.archive.write(
        recording.record_contacts, [ContactUpdate(str(ben.pn), saved_name="Ben")]
    )
    attached = guarded.wa.media.attach("document", DIARY, fileName="menu.txt", mimetype="text/plain")
    await ref_of(guarded, await ben.says(attached))
    rule(folder, "deny")
    sent = await guarded.agent.do(sends.send, SendRequest(await own(guarded), the_file(folder), wait=10))
    assert sent.status is SendStatus.SENT


@pytest.mark.parametrize("how", ["forward", "file", "own file"])
async def test_under_rules_for_other_chats_everyday_sends_go_out_unasked(
    guarded: Guarded, folder: AccountFolder, how: str
) -> None:
    ref = await document_of_ann(guarded)
    write_policy(folder, '[[policy.chats]]\nname = "Cleo"\nread = "deny"\n')
    ben = guarded.wa.person("Ben")
    await guarded.leader.archive.write(
        recording.record_contacts, [ContactUpdate(str(ben.pn), saved_name="Ben")]
    )
    contents: dict[str, Content] = {
        "forward": ForwardContent(ref),
        "file": the_file(folder),
        "own file": the_file(folder, b"Flour, eggs, butter"),
    }
    sent = await guarded.agent.do(sends.send, SendRequest(str(ben.pn), contents[how], wait=10))
    assert sent.status is SendStatus.SENT


async def test_what_this_computer_sent_to_a_hidden_chat_stays_its_own(
    guarded: Guarded, folder: AccountFolder
) -> None:
    rule(folder, "deny")
    for to in (str(guarded.known.pn), await own(guarded)):
        sent = await guarded.agent.do(sends.send, SendRequest(to, the_file(folder), wait=10))
        assert sent.status is SendStatus.SENT


@pytest.mark.parametrize("who", ["known", "stranger"])
async def test_a_copy_of_a_strangers_file_counts_as_the_strangers(
    guarded: Guarded, folder: AccountFolder, who: str
) -> None:
    author = guarded.known if who == "known" else guarded.stranger
    voice = b"OggS a voice note"
    await ref_of(guarded, await author.says(guarded.wa.media.attach("audio", voice, PTT=True)))
    content = FileContent("voice", str(outgoing(folder, voice, ".ogg")), "audio/ogg; codecs=opus")
    sent = await guarded.agent.do(sends.send, SendRequest(await own(guarded), content, wait=10))
    assert sent.message_id is not None
    sources = await guarded.leader.archive.repeated_sources([sent.message_id])
    assert sources == {sent.message_id: {"contact" if who == "known" else "stranger"}}


async def test_a_strangers_file_is_scheduled_for_a_contact_unasked(
    guarded: Guarded, folder: AccountFolder
) -> None:
    attached = guarded.wa.media.attach("document", DIARY, fileName="menu.txt", mimetype="text/plain")
    await ref_of(guarded, await guarded.stranger.says(attached))
    at = guarded.gate.clock.now() + timedelta(hours=1)
    sent = await guarded.agent.do(sends.send, SendRequest(str(guarded.known.pn), the_file(folder), at=at))
    entry = await guarded.leader.archive.outbox_get(sent.send_id)
    decision = await guarded.gate.judge(
        OPERATIONS["send"], {"request": replace(entry.request, at=None)}, AGENT, taint_in(entry.authorship)
    )
    assert decision.verdict == "allow"
