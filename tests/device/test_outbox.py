"""The outbox: accepted once, handed over once, in order, and the truth about the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from tests.device.outbox_rig import ANN, BOB, GROUP, Rig, Wire, WireSender, rig, text
from whatsapp_mcp.archive import UnappliedError, open_archive, outbox
from whatsapp_mcp.device.outbox.acceptance import KEPT_FOR
from whatsapp_mcp.device.outbox.composing import Composed
from whatsapp_mcp.device.outbox.deliveries import LAST_ANSWER, SEND_DEADLINE
from whatsapp_mcp.errors import (
    Busy,
    InvalidArgument,
    KeyReused,
    MediaUnavailable,
    MessageNotFound,
    NotConnected,
    NotLinked,
    RateLimited,
    Rejected,
    SendUnknown,
    WhatsAppError,
)
from whatsapp_mcp.models import OutboxEntry, PinContent, ReactionContent, SendRequest, SendStatus, TextContent
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio


async def test_a_send_is_sent_and_archived(folder: AccountFolder) -> None:
    async with rig(folder) as it:
        result = await it.outbox.submit(text("hello"))
        assert result.status is SendStatus.SENT
        assert result.message_id is not None
        assert (await it.archive.message(result.message_id)).text == "hello"


async def test_a_message_that_was_encrypted_for_nobody_has_failed(folder: AccountFolder) -> None:
    async with rig(folder, Wire(reaches=False)) as it:
        with pytest.raises(Rejected, match="keys"):
            await it.outbox.submit(text("hello", key="k"))
        assert (await it.outbox.submit(text("hello", key="k"))).status is SendStatus.FAILED


async def test_what_has_to_be_done_first_is_done_before_a_send_is_accepted(folder: AccountFolder) -> None:
    accepted: list[int] = []

    async def begin() -> None:
        accepted.append(len(await it.archive.outbox_unsettled()))

    async with rig(folder) as it:
        assert (await it.outbox.submit(text("at once"), begin=begin)).status is SendStatus.SENT
        it.wire.online = False
        assert (await it.outbox.submit(text("later", wait=0.0), begin=begin)).status is SendStatus.QUEUED
    assert accepted == [0, 0]


async def test_nothing_is_accepted_if_what_has_to_be_done_first_fails(folder: AccountFolder) -> None:
    async def begin() -> None:
        raise RateLimited("Enough.", retry_after=60)

    async with rig(folder) as it:
        with pytest.raises(RateLimited):
            await it.outbox.submit(text("hello"), begin=begin)
        assert not await it.archive.outbox_unsettled()
        assert (await it.outbox.submit(text("next"))).status is SendStatus.SENT
        assert it.wire.handed_over == [ANN]


@pytest.mark.parametrize("timestamp", [0, -62_135_596_800], ids=["zero", "none"])
async def test_a_send_for_which_whatsapp_tells_no_time_is_of_now(
    folder: AccountFolder, timestamp: int
) -> None:
    async with rig(folder, Wire(timestamp=timestamp)) as it:
        result = await it.outbox.submit(text("hello"))
        assert result.timestamp == it.clock.now()


async def test_what_can_go_out_at_once_is_on_the_disk_as_sending_before_it_does(
    folder: AccountFolder,
) -> None:
    async with rig(folder) as it, anyio.create_task_group() as tasks:
        it.wire.gate = anyio.Event()
        tasks.start_soon(it.outbox.submit, text("one"))
        with anyio.fail_after(30):
            await it.wire.begun.wait()
        changes = [change.detail for change in await it.archive.changes(0) if change.kind == "send"]
        assert changes == ["1 queued", "1 sending"]
        tasks.start_soon(it.outbox.submit, text("two"))
        await it.until(1, SendStatus.SENDING)
        with anyio.fail_after(30):
            while len(await it.archive.outbox_unsettled()) < 2:  # noqa: ASYNC110
                await anyio.sleep(0.005)
        assert await it.status(2) is SendStatus.QUEUED
        it.wire.gate.set()
        await it.until(2, SendStatus.SENT)


async def test_the_same_key_never_sends_twice(folder: AccountFolder) -> None:
    async with rig(folder) as it:
        first = await it.outbox.submit(text("hello", key="k"))
        again = await it.outbox.submit(text("hello", key="k"))
        assert again.send_id == first.send_id
        with pytest.raises(KeyReused):
            await it.outbox.submit(text("something else", key="k"))
        assert it.wire.handed_over == [ANN]


async def test_an_unanswered_send_is_unknown_and_not_repeated(folder: AccountFolder) -> None:
    async with rig(folder, Wire(raises=SendUnknown("No answer."))) as it:
        result = await it.outbox.submit(text("hello"))
        assert result.status is SendStatus.UNKNOWN
        it.wire.raises = None
        with pytest.raises(SendUnknown):
            await it.outbox.submit(text("hello"))
        it.outbox.wake()
        await it.clock.jump(3600)
        assert it.wire.handed_over == []
        assert (await it.outbox.submit(text("something else"))).status is SendStatus.SENT


async def test_what_ended_with_its_client_before_it_was_out_is_sent_by_the_next(
    folder: AccountFolder,
) -> None:
    async with rig(folder, Wire(raises=Busy("The client ended."))) as it, anyio.create_task_group() as tasks:
        tasks.start_soon(it.outbox.submit, text("hello", key="k", wait=100))
        await it.wire.begun.wait()
        await it.until(1, SendStatus.UNKNOWN)
        it.wire.renew()
        it.outbox.wake()
        await it.until(1, SendStatus.SENT)
        assert it.wire.handed_over == [ANN]


@pytest.mark.parametrize("chat", [ANN, GROUP])
async def test_what_was_encrypted_when_its_client_ended_stays_unknown_and_has_its_id(
    folder: AccountFolder, chat: str
) -> None:
    wire = Wire(raises=Busy("The client ended."), notes=True, encrypts=True)
    async with rig(folder, wire) as it:
        result = await it.outbox.submit(text("hello", chat, wait=0))
        await it.until_named(result.send_id, "3EB0HELLO")
        it.wire.renew()
        assert (await it.outbox.submit(text("later", chat))).status is SendStatus.SENT
        assert await it.status(result.send_id) is SendStatus.UNKNOWN
        assert it.wire.handed_over == [chat]


@pytest.mark.parametrize("chat", [ANN, GROUP])
async def test_what_has_an_id_and_was_not_encrypted_when_its_client_ended_is_sent_by_the_next(
    folder: AccountFolder, chat: str
) -> None:
    async with rig(folder, Wire(raises=Busy("The client ended."), notes=True)) as it:
        result = await it.outbox.submit(text("hello", chat, wait=0))
        await it.until_named(result.send_id, "3EB0HELLO")
        it.wire.renew()
        it.outbox.wake()
        await it.until(result.send_id, SendStatus.SENT)
        assert it.wire.handed_over == [chat]


async def test_nothing_follows_from_keys_of_a_person_whose_hidden_address_is_not_known(
    folder: AccountFolder,
) -> None:
    async with rig(folder, Wire(raises=Busy("The client ended."), notes=True)) as it:
        result = await it.outbox.submit(text("hello", BOB, wait=0))
        await it.until_named(result.send_id, "3EB0HELLO")
        it.wire.renew()
        assert (await it.outbox.submit(text("later", BOB))).status is SendStatus.SENT
        assert await it.status(result.send_id) is SendStatus.UNKNOWN


async def test_a_send_that_is_not_answered_in_time_has_its_id(folder: AccountFolder) -> None:
    async with rig(folder, Wire(raises=SendUnknown("No answer."), notes=True)) as it:
        result = await it.outbox.submit(text("hello"))
        assert (result.status, result.message_id) == (SendStatus.UNKNOWN, "3EB0HELLO")


async def test_a_late_answer_is_taken(folder: AccountFolder) -> None:
    async with rig(folder, Wire(gate=anyio.Event())) as it, anyio.create_task_group() as tasks:
        tasks.start_soon(it.outbox.submit, text("hello", wait=0))
        await it.wire.begun.wait()
        await it.clock.jump(SEND_DEADLINE + 1)
        await it.until(1, SendStatus.UNKNOWN)
        assert it.wire.gate is not None
        it.wire.gate.set()
        await it.until(1, SendStatus.SENT)


async def test_a_send_that_is_settled_while_it_is_looked_for_stays_settled(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(folder, Wire(raises=SendUnknown("No answer."))) as it:
        send_id = (await it.outbox.submit(text("hello"))).send_id
        as_it_was = await it.archive.outbox_unsettled()
        await it.archive.outbox_sent(send_id, "3EB0HELLO", datetime.now(UTC))

        async def unsettled() -> tuple[OutboxEntry, ...]:
            monkeypatch.undo()
            return as_it_was

        monkeypatch.setattr(it.archive, "outbox_unsettled", unsettled)
        it.wire.renew()
        it.outbox.wake()
        assert (await it.outbox.submit(text("next"))).status is SendStatus.SENT
        assert await it.status(send_id) is SendStatus.SENT


async def test_what_is_not_noted_may_still_go_out_while_its_client_lives(folder: AccountFolder) -> None:
    async with rig(folder, Wire(raises=SendUnknown("No answer."))) as it:
        result = await it.outbox.submit(text("hello"))
        it.wire.raises = None
        it.outbox.wake()
        await it.clock.jump(LAST_ANSWER)
        assert await it.status(result.send_id) is SendStatus.UNKNOWN
        assert it.wire.handed_over == []


async def test_a_later_send_waits_until_it_is_known_what_became_of_the_one_before(
    folder: AccountFolder,
) -> None:
    async with rig(folder, Wire(raises=Busy("The client ended."))) as it:
        one = await it.outbox.submit(text("one", wait=0))
        await it.until(one.send_id, SendStatus.UNKNOWN)
        it.wire.online = False
        it.wire.renew()
        two = await it.outbox.submit(text("two", wait=0))
        it.wire.online = True
        it.outbox.wake()
        await it.until(two.send_id, SendStatus.SENT)
        ids = [(await it.archive.outbox_get(send.send_id)).message_id for send in (one, two)]
        assert ids == ["3EB0000000000001", "3EB0000000000002"]


@pytest.mark.parametrize("change", ["restart", "relink"])
async def test_nothing_follows_from_what_is_not_noted_after_a_restart_or_a_new_link(
    folder: AccountFolder, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(folder, Wire(raises=Busy("The client ended."))) as it:
        result = await it.outbox.submit(text("hello", wait=0))
        await it.until(result.send_id, SendStatus.UNKNOWN)
        if change == "restart":
            monkeypatch.setattr("whatsapp_mcp.device.connection.keys.boot", lambda: "another boot")
        else:
            it.wire.registration += 1
        it.wire.renew()
        assert (await it.outbox.submit(text("other"))).status is SendStatus.SENT
        entry = await it.archive.outbox_get(result.send_id)
        assert (entry.status, entry.handed_to) == (SendStatus.UNKNOWN, None)
        assert it.wire.handed_over == [ANN]


async def test_without_a_linked_phone_nothing_is_looked_for(
    folder: AccountFolder, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_archive(folder, write=True) as archive:
        entry, _ = await archive.write(outbox.add, text("hello"))
        await archive.write(outbox.sending, entry.send_id, handed_to="boot 7 1 -", secret=b"s" * 32)
        await archive.write(outbox.unknown, entry.send_id, "The client ended.")
    async with rig(folder, Wire(linked=False, online=False)) as it:
        folder.client_db.unlink()
        for _ in range(5):
            await it.clock.advance(15)
            await anyio.sleep(0.005)
        assert await it.status(entry.send_id) is SendStatus.UNKNOWN
    assert "cannot be looked up" not in caplog.text


async def test_a_change_that_may_be_made_twice_is_made_again(folder: AccountFolder) -> None:
    async with rig(folder) as it:
        sent = await it.outbox.submit(text("hello"))
        assert sent.message_id is not None
        it.wire.raises = Busy("The client ended.")
        result = await it.outbox.submit(SendRequest(ANN, ReactionContent(sent.message_id, "+"), wait=0))
        await it.until(result.send_id, SendStatus.UNKNOWN)
        it.wire.renew()
        it.outbox.wake()
        await it.until(result.send_id, SendStatus.SENT)
        assert it.wire.handed_over == [ANN, ANN]


@asynccontextmanager
async def change_that_may_have_been_made(folder: AccountFolder) -> AsyncIterator[tuple[Rig, int]]:
    """A change that a client encrypted before it ended, queued again; the next client cannot send yet."""
    async with rig(folder) as it:
        sent = await it.outbox.submit(text("hello"))
        assert sent.message_id is not None
        it.wire.raises = Busy("The client ended.")
        it.wire.notes = it.wire.encrypts = True
        result = await it.outbox.submit(SendRequest(ANN, ReactionContent(sent.message_id, "+"), wait=0))
        await it.until(result.send_id, SendStatus.UNKNOWN)
        it.wire.renew()
        it.wire.raises = NotConnected("Not yet.")
        it.outbox.wake()
        await it.until(result.send_id, SendStatus.QUEUED)
        yield it, result.send_id


async def in_time(it: Rig, send_id: int, *, status: SendStatus, step: float = 1.0) -> OutboxEntry:
    """The send once it is in this state, by steps of so many seconds; it never fails on the way."""
    with anyio.fail_after(30):
        while (entry := await it.archive.outbox_get(send_id)).status is not status:
            assert entry.status is not SendStatus.FAILED
            await it.clock.jump(step)
            await anyio.sleep(0.005)
    return entry


async def test_a_change_that_may_have_been_made_and_expires_before_the_next_go_is_unknown(
    folder: AccountFolder,
) -> None:
    async with change_that_may_have_been_made(folder) as (it, send_id):
        it.wire.online = False
        await in_time(it, send_id, status=SendStatus.UNKNOWN, step=3600)


async def test_a_change_that_may_have_been_made_stays_so_when_the_next_go_is_not(
    folder: AccountFolder,
) -> None:
    async with change_that_may_have_been_made(folder) as (it, send_id):
        it.wire.raises = Busy("The client ended.")
        await in_time(it, send_id, status=SendStatus.UNKNOWN)
        it.wire.renew()
        it.wire.raises = NotConnected("Not yet.")
        await in_time(it, send_id, status=SendStatus.QUEUED)
        it.wire.online = False
        await in_time(it, send_id, status=SendStatus.UNKNOWN, step=3600)


async def test_a_change_that_may_have_been_made_and_is_refused_the_next_time_is_unknown(
    folder: AccountFolder,
) -> None:
    async with change_that_may_have_been_made(folder) as (it, send_id):
        it.wire.raises = Rejected("WhatsApp refused.")
        entry = await in_time(it, send_id, status=SendStatus.UNKNOWN)
        assert "refused" in (entry.reason or "")


async def test_a_change_that_may_have_been_made_is_not_told_as_cancelled(folder: AccountFolder) -> None:
    async with change_that_may_have_been_made(folder) as (it, send_id):
        with anyio.fail_after(30):
            while await it.status(send_id) is not SendStatus.UNKNOWN:
                with suppress(InvalidArgument):  # it is being handed over
                    await it.archive.write(outbox.withdrawn, send_id, "Cancelled.")


async def test_a_change_is_not_made_again_once_another_companion_is_linked(folder: AccountFolder) -> None:
    async with rig(folder) as it:
        sent = await it.outbox.submit(text("hello"))
        assert sent.message_id is not None
        it.wire.raises = Busy("The client ended.")
        result = await it.outbox.submit(SendRequest(ANN, ReactionContent(sent.message_id, "+"), wait=0))
        await it.until(result.send_id, SendStatus.UNKNOWN)
        it.wire.registration += 1
        it.wire.renew()
        it.outbox.wake()
        assert (await it.outbox.submit(text("next"))).status is SendStatus.SENT
        assert await it.status(result.send_id) is SendStatus.UNKNOWN


async def test_a_change_that_would_show_twice_is_not_made_again(folder: AccountFolder) -> None:
    async with rig(folder) as it:
        sent = await it.outbox.submit(text("hello"))
        assert sent.message_id is not None
        it.wire.raises, it.wire.notes, it.wire.encrypts = Busy("The client ended."), True, True
        result = await it.outbox.submit(SendRequest(ANN, PinContent(sent.message_id, 3600), wait=0))
        await it.until(result.send_id, SendStatus.UNKNOWN)
        it.wire.renew()
        assert (await it.outbox.submit(text("other"))).status is SendStatus.SENT
        entry = await it.archive.outbox_get(result.send_id)
        assert entry.status is SendStatus.UNKNOWN
        assert entry.message_id is not None, "a receipt will settle it"


@pytest.mark.parametrize("encrypts", [False, True], ids=["never out", "perhaps out"])
async def test_a_change_that_ends_every_client_is_given_up_and_told_truly(
    folder: AccountFolder, encrypts: bool
) -> None:
    async with rig(folder) as it:
        sent = await it.outbox.submit(text("hello"))
        assert sent.message_id is not None
        poison = Busy("The client ended.")
        it.wire.raises, it.wire.notes, it.wire.encrypts = poison, encrypts, encrypts
        result = await it.outbox.submit(SendRequest(ANN, ReactionContent(sent.message_id, "+"), wait=0))
        with anyio.fail_after(30):
            while "each time" not in ((await it.archive.outbox_get(result.send_id)).reason or ""):
                it.wire.generation += 1
                it.outbox.wake()
                await anyio.sleep(0.005)
        assert await it.status(result.send_id) is (SendStatus.UNKNOWN if encrypts else SendStatus.FAILED)


async def test_a_send_that_ends_every_client_while_it_is_prepared_is_given_up(folder: AccountFolder) -> None:
    wire = Wire()

    async def ends_the_client(request: SendRequest) -> Composed:
        wire.generation += 1
        raise Busy("The client process ended during the call.")

    async with rig(folder, wire, composing=ends_the_client) as it:
        result = await it.outbox.submit(text("poison", wait=0))
        entry = await it.archive.outbox_get(result.send_id)
        with anyio.fail_after(30):
            while entry.status is not SendStatus.FAILED:
                await it.clock.jump(1)
                await anyio.sleep(0.005)
                entry = await it.archive.outbox_get(result.send_id)
        assert "each time" in (entry.reason or "")
        assert wire.generation < 10


async def test_a_send_whose_client_is_only_busy_waits(folder: AccountFolder) -> None:
    wire = Wire()

    async def is_busy(request: SendRequest) -> Composed:
        wire.begun.set()
        raise Busy("The phone has not yet handed over what this needs.")

    async with rig(folder, wire, composing=is_busy) as it:
        result = await it.outbox.submit(text("hello", wait=0))
        for _ in range(20):
            wire.begun = anyio.Event()
            await it.clock.jump(1)
            with anyio.fail_after(30):
                await wire.begun.wait()
        assert await it.status(result.send_id) is SendStatus.QUEUED


async def test_a_send_that_ends_every_client_is_given_up(folder: AccountFolder) -> None:
    async with rig(folder, Wire(raises=Busy("The client ended."))) as it:
        result = await it.outbox.submit(text("poison", wait=0))
        with anyio.fail_after(30):
            while await it.status(result.send_id) is not SendStatus.FAILED:
                it.wire.generation += 1
                it.outbox.wake()
                await anyio.sleep(0.005)
        assert "each time" in ((await it.archive.outbox_get(result.send_id)).reason or "")


async def test_a_refusal_is_raised_and_kept(folder: AccountFolder) -> None:
    async with rig(folder, Wire(raises=Rejected("Error 479."))) as it:
        with pytest.raises(Rejected, match="479"):
            await it.outbox.submit(text("hello", key="k"))
        again = await it.outbox.submit(text("hello", key="k"))
        assert again.status is SendStatus.FAILED
        assert again.reason is not None
        assert "479" in again.reason


async def test_what_was_not_handed_over_waits_for_the_link_and_keeps_its_order(
    folder: AccountFolder,
) -> None:
    async with rig(folder, Wire(online=False)) as it:
        sends = [await it.outbox.submit(text(f"{number}", wait=0)) for number in range(5)]
        assert {send.status for send in sends} == {SendStatus.QUEUED}
        it.wire.online = True
        it.outbox.wake()
        for send in sends:
            await it.until(send.send_id, SendStatus.SENT)
        ids = [(await it.archive.outbox_get(send.send_id)).message_id for send in sends]
        assert ids == sorted(ids, key=str)


async def test_a_link_that_is_down_during_hand_over_queues_the_send_again(folder: AccountFolder) -> None:
    async with rig(folder, Wire(raises=NotConnected("The link is down."))) as it:
        result = await it.outbox.submit(text("hello", wait=0))
        await it.until(result.send_id, SendStatus.QUEUED)
        it.wire.raises = None
        with anyio.fail_after(30):
            while not it.wire.handed_over:
                await it.clock.advance(1)
                await anyio.sleep(0.005)
        await it.until(result.send_id, SendStatus.SENT)


async def test_one_chat_that_hangs_does_not_hold_another(folder: AccountFolder) -> None:
    gate = anyio.Event()
    async with rig(folder, Wire(gate=gate)) as it, anyio.create_task_group() as tasks:
        tasks.start_soon(it.outbox.submit, text("slow", ANN))
        await it.wire.begun.wait()
        it.wire.gate = None
        assert (await it.outbox.submit(text("fast", BOB))).status is SendStatus.SENT
        gate.set()


async def test_more_chats_than_are_served_at_once_all_get_their_turn(folder: AccountFolder) -> None:
    gate = anyio.Event()
    async with rig(folder, Wire(gate=gate)) as it, anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(it.outbox.submit, text("hello", f"1555000{number:04}@s.whatsapp.net"))
        with anyio.fail_after(30):
            while len(await it.archive.outbox_unsettled()) < 12:  # noqa: ASYNC110
                await anyio.sleep(0.005)
        gate.set()
        for send_id in range(1, 13):
            await it.until(send_id, SendStatus.SENT)


async def test_after_a_send_with_nothing_behind_it_the_outbox_is_not_read_again(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(folder) as it:
        await it.outbox.submit(text("one"))
        await anyio.wait_all_tasks_blocked()

        async def read_again(**_: Any) -> tuple[OutboxEntry, ...]:
            reads.append(1)
            return ()

        reads: list[int] = []
        monkeypatch.setattr(it.archive, "outbox_unsettled", read_again)
        await it.outbox.submit(text("two"))
        await anyio.wait_all_tasks_blocked()
        assert not reads


async def test_a_send_that_may_not_wait_is_refused_without_a_link(folder: AccountFolder) -> None:
    async with rig(folder, Wire(online=False)) as it:
        with pytest.raises(NotConnected):
            await it.outbox.submit(text("hello", queue=False))
        assert await it.archive.outbox_unsettled() == ()


async def test_nothing_is_accepted_without_a_linked_phone(folder: AccountFolder) -> None:
    async with rig(folder, Wire(linked=False, online=False)) as it:
        with pytest.raises(NotLinked):
            await it.outbox.submit(text("hello"))


@pytest.mark.parametrize("linked", [True, False], ids=["link down", "unlinked"])
async def test_what_was_accepted_is_told_as_it_is_when_it_is_asked_for_again_without_a_link(
    folder: AccountFolder, linked: bool
) -> None:
    async with rig(folder, Wire(raises=Busy("The client ended."))) as it:
        request = text("hello", key="k", wait=0, queue=False)
        first = await it.outbox.submit(request)
        await it.until(first.send_id, SendStatus.UNKNOWN)
        it.wire.online, it.wire.linked = False, linked
        again = await it.outbox.submit(request)
        assert (again.send_id, again.status) == (first.send_id, SendStatus.UNKNOWN)
        with pytest.raises(NotConnected if linked else NotLinked):
            await it.outbox.submit(text("hello", key="another", queue=False))


async def test_what_was_withdrawn_is_not_accepted_again_without_a_link(folder: AccountFolder) -> None:
    async with rig(folder, Wire(online=False)) as it:
        send_id = (await it.outbox.submit(text("hello", key="k", wait=0))).send_id
        await it.archive.write(outbox.withdrawn, send_id, "Cancelled.")
        with pytest.raises(NotConnected):
            await it.outbox.submit(text("hello", key="k", queue=False))
        assert await it.status(send_id) is SendStatus.FAILED


async def test_whoever_waits_for_a_send_hears_at_once_that_it_was_deleted_with_its_chat(
    folder: AccountFolder,
) -> None:
    async with rig(folder, Wire(online=False)) as it:
        refusals: list[WhatsAppError] = []

        async def send() -> None:
            try:
                await it.outbox.submit(text("hello", wait=100))
            except WhatsAppError as error:
                refusals.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            while not (waiting := await it.archive.outbox_unsettled()):  # noqa: ASYNC110
                await anyio.sleep(0.005)
            report = await it.archive.purge(chat=ANN)
            assert report.cancelled == (waiting[0].send_id,)
            it.outbox.forget(report.cancelled)
        assert [error.code for error in refusals] == ["MESSAGE_NOT_FOUND"]
        it.wire.online = True
        assert (await it.outbox.submit(text("another"))).status is SendStatus.SENT
        assert it.wire.handed_over == [ANN]


async def test_a_send_that_is_deleted_while_it_is_prepared_stops_no_other(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose, deleted = WireSender.compose, anyio.Event()
    async with rig(folder) as it:

        async def refusing(self: WireSender, request: SendRequest) -> Composed:
            if request.content != TextContent("gone"):
                return await compose(self, request)
            if (await it.archive.purge(chat=ANN)).cancelled:
                deleted.set()
            raise MediaUnavailable("The file is gone.")

        monkeypatch.setattr(WireSender, "compose", refusing)
        with suppress(MessageNotFound):
            await it.outbox.submit(text("gone", wait=0))
        with anyio.fail_after(5):
            await deleted.wait()
        assert (await it.outbox.submit(text("another"))).status is SendStatus.SENT


async def test_a_queued_send_expires_with_a_reason(folder: AccountFolder) -> None:
    async with rig(folder, Wire(online=False)) as it:
        result = await it.outbox.submit(text("hello", wait=0))
        await it.clock.jump(KEPT_FOR.total_seconds() + 60)
        await it.until(result.send_id, SendStatus.FAILED)
        assert "expired" in ((await it.archive.outbox_get(result.send_id)).reason or "")
        it.wire.online = True
        it.outbox.wake()
        await it.clock.jump(60)
        assert it.wire.handed_over == []


async def test_what_is_queued_when_the_phone_is_unlinked_never_goes_out_from_the_next_one(
    folder: AccountFolder,
) -> None:
    async with rig(folder, Wire(online=False)) as it:
        queued = await it.outbox.submit(text("hello", wait=0))
        assert queued.status is SendStatus.QUEUED
        it.wire.linked = False
        it.outbox.wake()
        await it.until(queued.send_id, SendStatus.FAILED)
        assert "unlinked" in ((await it.archive.outbox_get(queued.send_id)).reason or "")
        it.wire.linked = it.wire.online = True
        assert (await it.outbox.submit(text("another"))).status is SendStatus.SENT
        assert len(it.wire.handed_over) == 1


async def test_the_next_host_goes_on_with_what_is_queued(folder: AccountFolder) -> None:
    async with rig(folder, Wire(online=False)) as first:
        result = await first.outbox.submit(text("hello", wait=0))
    async with rig(folder) as second:
        await second.until(result.send_id, SendStatus.SENT)
        assert second.wire.handed_over == [ANN]


async def test_what_a_dead_host_was_sending_is_sent_by_the_next_if_it_was_not_out(
    folder: AccountFolder,
) -> None:
    handed_to = await Wire().open(folder).name_hand_over(ANN)
    async with open_archive(folder, write=True) as archive:
        entry, _ = await archive.write(outbox.add, text("hello"))
        await archive.write(outbox.sending, entry.send_id, handed_to=handed_to, secret=b"s" * 32)
    async with rig(folder, Wire(generation=2, online=False)) as second:
        await second.until(entry.send_id, SendStatus.UNKNOWN)
        second.wire.online = True
        second.outbox.wake()
        await second.until(entry.send_id, SendStatus.SENT)
        assert second.wire.handed_over == [ANN]


async def test_what_a_dead_host_was_sending_and_may_be_out_is_unknown_to_the_next(
    folder: AccountFolder,
) -> None:
    wire = Wire(generation=2)
    handed_to = await Wire().open(folder).name_hand_over(ANN)
    wire.open(folder)
    message = E2E.Message(conversation="hello")
    message.messageContextInfo.messageSecret = b"s" * 32
    wire.note(message)
    wire.move_keys()
    async with open_archive(folder, write=True) as archive:
        entry, _ = await archive.write(outbox.add, text("hello"))
        await archive.write(outbox.sending, entry.send_id, handed_to=handed_to, secret=b"s" * 32)
    async with rig(folder, wire) as second:
        await second.until_named(entry.send_id, "3EB0HELLO")
        await second.clock.jump(3600)
        assert await second.status(entry.send_id) is SendStatus.UNKNOWN
        assert second.wire.handed_over == []


async def test_a_send_whose_host_is_stopped_in_between_is_unknown(folder: AccountFolder) -> None:
    async with rig(folder, Wire(gate=anyio.Event())) as first, anyio.create_task_group() as tasks:
        tasks.start_soon(first.outbox.submit, text("hello"))
        await first.wire.begun.wait()
        tasks.cancel_scope.cancel()
    async with open_archive(folder, write=True) as archive:
        (entry,) = await archive.outbox_unsettled()
        assert entry.status is SendStatus.UNKNOWN


async def given_up(it: Rig, *, has_ended: bool = False) -> None:
    """Somebody accepts a send that has to wait for the link, and gives up."""
    with anyio.move_on_after(0.05):
        await it.outbox.submit(text("hello", key="k", wait=100), has_ended=lambda: has_ended)
    for _ in range(20):
        await it.clock.advance(0.5)
        await anyio.sleep(0.005)


async def test_a_caller_that_gives_up_before_the_hand_over_withdraws_the_send(folder: AccountFolder) -> None:
    async with rig(folder, Wire(online=False)) as it:
        await given_up(it)
        await it.until(1, SendStatus.FAILED)
        it.wire.online = True
        it.outbox.wake()
        await it.clock.jump(60)
        assert it.wire.handed_over == []


async def test_a_send_that_was_withdrawn_is_sent_when_it_is_asked_for_again(folder: AccountFolder) -> None:
    async with rig(folder, Wire(online=False)) as it:
        await given_up(it)
        await it.until(1, SendStatus.FAILED)
        it.wire.online = True
        again = await it.outbox.submit(text("hello", key="k"))
        assert (again.send_id, again.status) == (1, SendStatus.SENT)


async def test_a_caller_whose_process_ends_does_not_withdraw_the_send(folder: AccountFolder) -> None:
    async with rig(folder, Wire(online=False)) as it:
        await given_up(it, has_ended=True)
        it.wire.online = True
        it.outbox.wake()
        await it.until(1, SendStatus.SENT)


async def test_a_host_that_ends_with_a_caller_does_not_withdraw_the_send(folder: AccountFolder) -> None:
    async with rig(folder, Wire(online=False)) as it:
        with anyio.move_on_after(0.05):
            await it.outbox.submit(text("hello", wait=100))
    async with rig(folder) as following:
        await following.until(1, SendStatus.SENT)


async def test_a_caller_that_gives_up_after_the_hand_over_leaves_the_truth(folder: AccountFolder) -> None:
    gate = anyio.Event()
    async with rig(folder, Wire(gate=gate)) as it:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.outbox.submit, text("hello", wait=100))
            await it.wire.begun.wait()
            tasks.cancel_scope.cancel()
        (entry,) = await it.archive.outbox_unsettled()
        assert entry.status is SendStatus.SENDING
        gate.set()
        await it.until(entry.send_id, SendStatus.SENT)


async def test_a_send_that_is_in_the_log_and_cannot_be_applied_yet_is_not_to_be_sent_again(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(folder) as it:
        write = it.archive.write

        async def unapplied(operation: Callable[..., Any], *values: Any, **named: Any) -> Any:
            if operation is outbox.add:
                raise UnappliedError
            return await write(operation, *values, **named)

        monkeypatch.setattr(it.archive, "write", unapplied)
        with pytest.raises(SendUnknown, match="was accepted"):
            await it.outbox.submit(text("hello"))
