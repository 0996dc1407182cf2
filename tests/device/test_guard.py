"""The leader asks a person before an agent reaches strangers, and does exactly what was approved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from tests.device.conftest import Leader, settings_of
from tests.device.guarded import AGENT, Guarded, guarding, write_policy
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.device.guard import Gate, Upkeep
from whatsapp_mcp.device.operations import approvals, chats, groups, profile, sends
from whatsapp_mcp.errors import ApprovalRequired, Denied, InvalidArgument, RateLimited
from whatsapp_mcp.ledger import Exposure
from whatsapp_mcp.models import (
    SYSTEM,
    UNKNOWN,
    ApprovalState,
    ContactCardContent,
    FileContent,
    ForwardContent,
    Permit,
    ProfileChange,
    SendRequest,
    SendStatus,
    TextContent,
)
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.people import Person

pytestmark = pytest.mark.anyio


@pytest.fixture
async def guarded(wa: WhatsApp, linked: Leader, folder: AccountFolder) -> AsyncIterator[Guarded]:
    async with guarding(wa, linked, folder) as made:
        yield made


def text_to(person: Person, text: str = "hello") -> SendRequest:
    return SendRequest(str(person.pn), TextContent(text), wait=10)


async def asked(guarded: Guarded, request: SendRequest) -> str:
    """The id of the question about a send."""
    with pytest.raises(ApprovalRequired) as error:
        await guarded.agent.do(sends.send, request)
    assert error.value.approval
    return error.value.approval


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(30):
        while not await holds():  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def received(person: Person, count: int = 1) -> list[str | None]:
    with anyio.fail_after(30):
        return [(await person.receives()).text for _ in range(count)]


async def test_a_contact_is_written_to_without_a_question_and_a_stranger_only_after_a_yes(
    guarded: Guarded,
) -> None:
    assert (await guarded.agent.do(sends.send, text_to(guarded.known))).status is SendStatus.SENT
    number = await asked(guarded, text_to(guarded.stranger))
    (question,) = await guarded.agent.do(approvals.approvals)
    assert (question.id, question.reason) == (number, "the recipient is not in the address book")
    assert guarded.stranger.number in question.question[0]
    assert question.question[1:] == ("Send this text:", "│ hello")
    assert guarded.stranger.inbox == []
    with anyio.fail_after(1):
        await guarded.person.do(approvals.decide, number, True, "terminal")
        assert await received(guarded.stranger) == ["hello"]


async def test_a_held_send_goes_out_although_the_agent_has_gone_and_its_status_says_what_it_waits_for(
    guarded: Guarded,
) -> None:
    number = await asked(guarded, text_to(guarded.stranger))
    send_id = guarded.ledger.approvals.get(number).approval.send_id
    assert send_id is not None
    assert (await guarded.leader.archive.outbox_get(send_id)).status is SendStatus.HELD
    await guarded.person.do(approvals.decide, number, True, "page")
    assert await received(guarded.stranger) == ["hello"]

    async def is_sent() -> bool:
        return (await guarded.leader.archive.outbox_get(send_id)).status is SendStatus.SENT

    await until(is_sent)


async def test_a_no_ends_the_send_and_the_same_is_refused_for_an_hour(guarded: Guarded) -> None:
    number = await asked(guarded, text_to(guarded.stranger))
    assert (await guarded.person.do(approvals.decide, number, False, "phone")).state is ApprovalState.DENIED
    send_id = guarded.ledger.approvals.get(number).approval.send_id
    assert send_id is not None
    kept = await guarded.leader.archive.outbox_get(send_id)
    assert (kept.status, kept.reason) == (SendStatus.FAILED, "DENIED: The user said no.")
    with pytest.raises(Denied, match="said no"):
        await guarded.agent.do(sends.send, text_to(guarded.stranger))
    assert guarded.stranger.inbox == []


async def test_a_yes_is_for_one_send(guarded: Guarded) -> None:
    number = await asked(guarded, text_to(guarded.stranger))
    await guarded.person.do(approvals.decide, number, True, "terminal")
    send_id = guarded.ledger.approvals.get(number).approval.send_id
    assert send_id is not None
    assert (await guarded.leader.device.outbox.outcome(send_id, 10)).status is SendStatus.SENT
    assert await asked(guarded, text_to(guarded.stranger)) != number
    with pytest.raises(InvalidArgument, match="used"):
        await guarded.person.do(approvals.decide, number, True, "terminal")


async def test_asking_again_for_the_same_while_it_waits_is_the_same_question(guarded: Guarded) -> None:
    first = await asked(guarded, text_to(guarded.stranger))
    again = replace(text_to(guarded.stranger), idempotency_key="call:2", wait=1)
    assert await asked(guarded, again) == first
    assert len(await guarded.leader.archive.outbox_held()) == 1


async def test_whoever_waits_hears_the_decision(guarded: Guarded) -> None:
    number = await asked(guarded, text_to(guarded.stranger))
    states: list[ApprovalState] = []

    async def wait() -> None:
        states.append((await guarded.agent.do(approvals.approval, number, 10)).state)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.sleep(0.05)
        await guarded.person.do(approvals.decide, number, True, "page")
    assert states == [ApprovalState.USED]
    assert (await guarded.agent.do(approvals.approval, number)).way == "page"


async def test_another_agent_hears_nothing_of_a_question_before_or_after_the_answer(
    guarded: Guarded,
) -> None:
    number = await asked(guarded, text_to(guarded.stranger))
    others = [guarded.acting_for(each) for each in (UNKNOWN, replace(AGENT, principal="stdio:another"))]
    for other in others:
        assert await other.do(approvals.approvals) == ()
        for about in (approvals.approval, approvals.ask_on_phone, approvals.withdraw):
            with pytest.raises(InvalidArgument, match="no question of this id"):
                await other.do(about, number)
    await guarded.person.do(approvals.decide, number, True, "page")
    for other in others:
        with pytest.raises(InvalidArgument, match="no question of this id"):
            await other.do(approvals.approval, number)
    assert (await guarded.person.do(approvals.approval, number)).state is ApprovalState.USED


async def test_no_agent_decides(guarded: Guarded) -> None:
    number = await asked(guarded, text_to(guarded.stranger))
    for caller in (AGENT, UNKNOWN, replace(AGENT, principal="token:x")):
        with pytest.raises(Denied, match="person"):
            await guarded.acting_for(caller).do(approvals.decide, number, True, "phone")
        with pytest.raises(Denied, match="person"):
            await guarded.acting_for(caller).do(approvals.clear_exposures)
    assert (await guarded.agent.do(approvals.approval, number)).state is ApprovalState.OPEN


async def test_a_file_that_was_swapped_after_the_question_does_not_go_out(
    guarded: Guarded, folder: AccountFolder
) -> None:
    file = folder.media / "book.pdf"
    file.write_bytes(b"%PDF harmless")
    content = FileContent("document", str(file), "application/pdf")
    number = await asked(guarded, SendRequest(str(guarded.stranger.pn), content))
    file.write_bytes(b"%PDF secret")
    assert (await guarded.person.do(approvals.decide, number, True, "terminal")).state is ApprovalState.VOID
    send_id = guarded.ledger.approvals.get(number).approval.send_id
    assert send_id is not None
    assert "have changed" in str((await guarded.leader.archive.outbox_get(send_id)).reason)
    assert guarded.stranger.inbox == []


async def test_three_questions_at_most_wait(guarded: Guarded) -> None:
    for text in "abc":
        await asked(guarded, text_to(guarded.stranger, text))
    with pytest.raises(RateLimited):
        await guarded.agent.do(sends.send, text_to(guarded.stranger, "d"))
    assert len(await guarded.leader.archive.outbox_held()) == 3


async def test_after_a_strangers_words_contacts_are_asked_about_too_until_a_person_clears_it(
    guarded: Guarded,
) -> None:
    await guarded.ledger.expose(AGENT.principal, Exposure.STRANGER)
    number = await asked(guarded, text_to(guarded.known))
    (question,) = await guarded.agent.do(approvals.approvals)
    assert question.reason == "a stranger's words were read in the last 24 hours"
    other = replace(AGENT, principal="stdio:other")
    assert (
        await guarded.acting_for(other).do(sends.send, text_to(guarded.known, "b"))
    ).status is SendStatus.SENT
    await guarded.person.do(approvals.clear_exposures, AGENT.principal)
    assert (await guarded.agent.do(sends.send, text_to(guarded.known, "c"))).status is SendStatus.SENT
    await guarded.person.do(approvals.decide, number, True, "terminal")


async def test_what_a_tainted_call_sends_is_remembered(guarded: Guarded, folder: AccountFolder) -> None:
    write_policy(folder, '[[policy.chats]]\nname = "Ann"\nsend = "allow"\n')
    before = await guarded.agent.do(sends.send, text_to(guarded.known, "a"))
    await guarded.ledger.expose(AGENT.principal, Exposure.STRANGER)
    sent = await guarded.agent.do(sends.send, text_to(guarded.known, "b"))
    assert before.message_id
    assert sent.message_id
    sources = await guarded.leader.archive.repeated_sources([before.message_id, sent.message_id])
    assert sources == {sent.message_id: {"stranger"}}


async def test_a_program_that_does_not_say_for_whom_it_asks_counts_as_tainted(guarded: Guarded) -> None:
    with pytest.raises(ApprovalRequired):
        await guarded.acting_for(UNKNOWN).do(sends.send, text_to(guarded.known))


async def test_what_everyone_would_see_is_asked_about_and_done_once_when_asked_for_again(
    guarded: Guarded,
) -> None:
    change = ProfileChange(about="Sailing")
    with pytest.raises(ApprovalRequired) as error:
        await guarded.agent.do(profile.change_profile, change)
    with pytest.raises(ApprovalRequired):
        await guarded.agent.do(profile.change_profile, change)
    await guarded.person.do(approvals.decide, error.value.approval, True, "terminal")
    await guarded.agent.do(profile.change_profile, change)
    assert guarded.wa.me.about == "Sailing"
    with pytest.raises(ApprovalRequired):
        await guarded.agent.do(profile.change_profile, change)


async def test_another_change_than_the_approved_one_is_asked_about_anew(guarded: Guarded) -> None:
    with pytest.raises(ApprovalRequired) as error:
        await guarded.agent.do(profile.change_profile, ProfileChange(about="Sailing"))
    await guarded.person.do(approvals.decide, error.value.approval, True, "terminal")
    with pytest.raises(ApprovalRequired):
        await guarded.agent.do(profile.change_profile, ProfileChange(about="Give me money"))


async def test_an_approval_is_one_principals(guarded: Guarded) -> None:
    change = ProfileChange(about="Sailing")
    with pytest.raises(ApprovalRequired) as error:
        await guarded.agent.do(profile.change_profile, change)
    await guarded.person.do(approvals.decide, error.value.approval, True, "terminal")
    with pytest.raises(ApprovalRequired):
        await guarded.acting_for(replace(AGENT, principal="token:x")).do(profile.change_profile, change)


@pytest.mark.parametrize("later", [None, timedelta(days=1)])
async def test_one_principals_key_neither_blocks_nor_answers_another(
    guarded: Guarded, later: timedelta | None
) -> None:
    at = None if later is None else SystemClock().now() + later
    request = replace(text_to(guarded.known), idempotency_key="k", at=at)
    sent = await guarded.agent.do(sends.send, request)
    assert (await guarded.agent.do(sends.send, request)).send_id == sent.send_id
    other = guarded.acting_for(replace(AGENT, principal="token:other"))
    theirs = await other.do(sends.send, replace(request, content=TextContent("other words")))
    assert theirs.send_id != sent.send_id


async def test_somebodys_card_for_somebody_else_is_asked_about(guarded: Guarded) -> None:
    card = ContactCardContent("Eve", guarded.stranger.number)
    with pytest.raises(ApprovalRequired, match="contact card"):
        await guarded.agent.do(sends.send, SendRequest(str(guarded.known.pn), card))


async def test_a_secret_in_a_text_or_a_file_is_asked_about(guarded: Guarded, folder: AccountFolder) -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----"
    with pytest.raises(ApprovalRequired, match="private key"):
        await guarded.agent.do(sends.send, text_to(guarded.known, f"{key}\nb3BlbnNzaC1rZXk"))
    file = folder.media / "notes.txt"
    file.write_text(f"see below\n{key}\nb3BlbnNzaC1rZXk")
    with pytest.raises(ApprovalRequired, match="private key"):
        await guarded.agent.do(
            sends.send, SendRequest(str(guarded.known.pn), FileContent("document", str(file), "text/plain"))
        )


async def test_many_words_of_another_chat_are_asked_about(guarded: Guarded) -> None:
    words = "the quick brown fox jumps over the lazy dog and then it sleeps in the warm sun"
    await guarded.stranger.says(words)

    async def is_archived() -> bool:
        return bool((await guarded.leader.archive.messages()).items)

    await until(is_archived)
    with pytest.raises(ApprovalRequired, match="repeats"):
        await guarded.agent.do(sends.send, text_to(guarded.known, f"He says: {words}!"))


async def test_what_is_forwarded_is_shown_and_a_changed_message_does_not_go_out(guarded: Guarded) -> None:
    said = await guarded.known.says("Meet at six")

    async def is_archived() -> bool:
        return bool((await guarded.leader.archive.messages()).items)

    await until(is_archived)
    (message,) = (await guarded.leader.archive.messages()).items
    forward = SendRequest(str(guarded.stranger.pn), ForwardContent(message.ref))
    number = await asked(guarded, forward)
    question = guarded.ledger.approvals.get(number).approval.question
    assert question[-1] == "“Ann” wrote (text) in the chat “Ann”: “Meet at six”"
    await guarded.known.edits(said, "My PIN is 1234")

    async def is_edited() -> bool:
        return (await guarded.leader.archive.message(message.ref)).text != "Meet at six"

    await until(is_edited)
    assert (await guarded.person.do(approvals.decide, number, True, "terminal")).state is ApprovalState.VOID
    assert guarded.stranger.inbox == []


async def test_more_than_three_forwards_within_an_hour_are_asked_about(guarded: Guarded) -> None:
    await guarded.known.says("Meet at six")

    async def is_archived() -> bool:
        return bool((await guarded.leader.archive.messages()).items)

    await until(is_archived)
    (message,) = (await guarded.leader.archive.messages()).items
    forward = SendRequest(str(guarded.known.pn), ForwardContent(message.ref))
    for number in range(3):
        await guarded.agent.do(sends.send, replace(forward, idempotency_key=str(number)))
    with pytest.raises(ApprovalRequired, match="more than 3 forwards"):
        await guarded.agent.do(sends.send, replace(forward, idempotency_key="4"))


async def test_a_preview_fetches_nothing_before_it_is_approved_if_the_principal_is_tainted(
    guarded: Guarded,
) -> None:
    own = SendRequest(str(guarded.wa.me.pn), TextContent("see http://127.0.0.1/secret", (), True))
    await guarded.ledger.expose(AGENT.principal, Exposure.STRANGER)
    with pytest.raises(ApprovalRequired):
        await guarded.agent.do(sends.send, own)


async def test_a_group_asks_for_strangers_in_it_until_the_owner_has_written_there_from_the_phone(
    guarded: Guarded,
) -> None:
    group = guarded.wa.group("Town", [guarded.known, guarded.stranger])
    await guarded.agent.do(groups.group, str(group.jid))
    request = SendRequest(str(group.jid), TextContent("hello"))
    with pytest.raises(ApprovalRequired, match="not in the address book"):
        await guarded.agent.do(sends.send, request)
    await guarded.wa.me.says(group, "hi all")

    async def wrote() -> bool:
        return (await guarded.leader.archive.chat_facts(str(group.jid))).owner_wrote

    await until(wrote)
    await guarded.agent.do(sends.send, replace(request, content=TextContent("hello again")))


async def test_neither_notices_nor_words_from_before_the_latest_joining_are_the_owners_writing(
    guarded: Guarded,
) -> None:
    mallory = guarded.wa.person("Mallory")
    group = guarded.wa.group("Town", [mallory, guarded.stranger], founder=mallory)
    archive = guarded.leader.archive

    async def wrote() -> bool:
        return (await archive.chat_facts(str(group.jid))).owner_wrote

    async def has(text: str) -> bool:
        return any(
            text in each.text for each in (await archive.messages()).items if each.chat == str(group.jid)
        )

    group.disappear(86_400, by=guarded.wa.me)
    await until(lambda: has("disappearing"))
    assert not await wrote()
    await guarded.wa.me.says(group, "hi all")
    await until(wrote)
    group.remove(guarded.wa.me, by=guarded.wa.me)
    await until(lambda: has("left"))
    group.add(guarded.wa.me, by=mallory)
    await until(lambda: has("added you"))
    assert not await wrote()


async def test_members_who_came_after_the_question_void_the_yes(guarded: Guarded) -> None:
    group = guarded.wa.group("Town", [guarded.known, guarded.stranger])
    await guarded.agent.do(groups.group, str(group.jid))
    number = await asked(guarded, SendRequest(str(group.jid), TextContent("hello")))
    mallory = guarded.wa.person("Mallory")
    group.add(mallory)

    async def is_in() -> bool:
        return len((await guarded.leader.archive.chat_facts(str(group.jid))).members) == 4

    await until(is_in)
    assert (await guarded.person.do(approvals.decide, number, True, "terminal")).state is ApprovalState.VOID


async def test_a_server_asks_before_it_fetches_exports_or_reveals(guarded: Guarded) -> None:
    fetch = Permit("fetch", (), ("http://127.0.0.1/x",))
    await guarded.agent.do(approvals.permit, fetch)
    await guarded.agent.do(approvals.permit, Permit("export", (str(guarded.stranger.pn),)))
    reveal = Permit("reveal", (str(guarded.stranger.pn),), ("#1",))
    with pytest.raises(ApprovalRequired) as error:
        await guarded.agent.do(approvals.permit, reveal)
    await guarded.person.do(approvals.decide, error.value.approval, True, "terminal")
    await guarded.agent.do(approvals.permit, reveal)
    with pytest.raises(ApprovalRequired):
        await guarded.agent.do(approvals.permit, reveal)
    await guarded.ledger.expose(AGENT.principal, Exposure.STRANGER)
    with pytest.raises(ApprovalRequired):
        await guarded.agent.do(approvals.permit, fetch)
    await guarded.acting_for(SYSTEM).do(approvals.permit, fetch)


def next_gate(guarded: Guarded, folder: AccountFolder) -> Gate:
    """The gate of the leader that comes next."""
    device = guarded.leader.device
    return Gate(
        guarded.leader.archive, guarded.ledger, settings_of(folder), lambda: device.outbox, SystemClock()
    )


def next_upkeep(guarded: Guarded, folder: AccountFolder) -> Upkeep:
    """What the leader that comes next does about what the last one has left."""
    return Upkeep(guarded.leader.archive, guarded.ledger, next_gate(guarded, folder))


async def test_the_question_about_a_contacts_withheld_words_names_the_rule(
    guarded: Guarded, folder: AccountFolder
) -> None:
    write_policy(folder, '[[policy.chats]]\nname = "Ann"\nread = "ask"\n')
    with pytest.raises(ApprovalRequired):
        await guarded.agent.do(approvals.permit, Permit("release", (str(guarded.known.pn),), ("#1",)))
    (question,) = await guarded.agent.do(approvals.approvals)
    assert question.reason == "a rule wants every one asked about"


async def test_what_is_held_without_a_question_is_given_up_at_the_next_start(
    guarded: Guarded, folder: AccountFolder
) -> None:
    number = await asked(guarded, text_to(guarded.stranger))
    await guarded.ledger.approvals.void(number)
    with anyio.move_on_after(0.5):
        await next_upkeep(guarded, folder).run()
    assert await guarded.leader.archive.outbox_held() == ()


async def test_what_is_held_while_a_leader_starts_keeps_waiting_for_its_question(
    guarded: Guarded, folder: AccountFolder
) -> None:
    upkeep = next_upkeep(guarded, folder)
    until_then = datetime.now(UTC) + timedelta(hours=1)
    held = await guarded.leader.device.outbox.hold(text_to(guarded.stranger), until_then)
    with anyio.move_on_after(0.5):
        await upkeep.run()
    assert (await guarded.leader.archive.outbox_get(held.send_id)).status is SendStatus.HELD


async def test_open_asks_nothing_and_a_rule_forbids_everywhere(
    guarded: Guarded, folder: AccountFolder
) -> None:
    write_policy(folder, '[policy]\nmode = "open"\n')
    await guarded.agent.do(sends.send, text_to(guarded.stranger))
    write_policy(folder, '[policy]\nmode = "open"\n[[policy.chats]]\nname = "Ann"\nsend = "deny"\n')
    with pytest.raises(Denied, match="forbids"):
        await guarded.agent.do(sends.send, text_to(guarded.known))
    with pytest.raises(Denied, match="forbids"):
        await guarded.agent.do(chats.mark_read, str(guarded.known.pn))
