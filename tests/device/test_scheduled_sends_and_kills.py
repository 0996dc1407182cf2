"""Whatever a leader is doing when it is killed: a scheduled send goes out once, or is asked about."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.archive.events import ANA
from tests.device.fake_clock import FakeClock
from tests.device.later_rig import MINUTE, Fuse, Killed, Later, leading
from tests.device.outbox_rig import Wire
from tests.properties import examples
from tests.tables import for_each
from whatsapp_mcp.archive import outbox, recording
from whatsapp_mcp.device.guard import LATE
from whatsapp_mcp.device.operations import approvals, sends
from whatsapp_mcp.errors import ApprovalRequired, InvalidArgument, MessageNotFound
from whatsapp_mcp.models import SendRequest, SendStatus, TextContent
from whatsapp_mcp.settings import AccountFolder

STANDARD = '[policy]\nmode = "standard"\n'
HOUR = 60 * MINUTE
SETTLED = {SendStatus.SENT, SendStatus.UNKNOWN}
STEPS = 17
"""Writes of a leader that schedules a send, is asked about it, and sends it."""
CLIENTS: Final[dict[str, Callable[[], Wire]]] = {
    "answers": Wire,
    "hangs": lambda: Wire(gate=anyio.Event()),
    "hangs once it has noted the message": lambda: Wire(gate=anyio.Event(), notes=True),
    "hangs once it has encrypted the message": lambda: Wire(gate=anyio.Event(), notes=True, encrypts=True),
    "hangs once WhatsApp has the message": lambda: Wire(is_silent=True),
}
"""How far the client of the first leader comes with the message."""
SLEPT: Final = (timedelta(seconds=1), 5 * MINUTE, 3 * LATE)
"""How long nobody leads."""


def request(clock: FakeClock) -> SendRequest:
    return SendRequest(ANA, TextContent("once"), at=clock.now() + HOUR, idempotency_key="k")


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    step=st.integers(1, STEPS),
    after=st.booleans(),
    known=st.booleans(),
    client=st.sampled_from(list(CLIENTS)),
    slept=st.sampled_from(SLEPT),
)
@example(step=STEPS, after=False, known=True, client="answers", slept=SLEPT[0])
def test_a_send_goes_out_once_whichever_write_is_a_leaders_last(
    tmp_path_factory: pytest.TempPathFactory,
    step: int,
    after: bool,
    known: bool,
    client: str,
    slept: timedelta,
) -> None:
    folder = AccountFolder("default", tmp_path_factory.mktemp("home") / "accounts" / "default")
    folder.create()
    anyio.run(_succession, folder, Fuse(step, after), known, client, slept)


@pytest.mark.anyio
@for_each("slept", SLEPT)
@for_each("client", ["answers", "hangs once WhatsApp has the message"], folder="folders")
async def test_a_send_is_not_repeated_when_its_leader_ends_before_it_notes_what_became_of_it(
    folder: AccountFolder, client: str, slept: timedelta
) -> None:
    write = "outbox_sent" if client == "answers" else "outbox_unknown"
    wire = await _succession(folder, Fuse(1, only=write), True, client, slept)
    assert wire.handed_over == [ANA]


async def _succession(folder: AccountFolder, fuse: Fuse, known: bool, client: str, slept: timedelta) -> Wire:
    """The first leader ends at that write; a second one goes on, and the person allows what is asked."""
    wire, clock = CLIENTS[client](), FakeClock()
    wanted = request(clock)
    with suppress(Killed, BaseExceptionGroup):
        async with leading(folder, wire=wire, clock=clock, policy=STANDARD, fuse=fuse, known=known) as first:
            await _asked_for(first, wanted)
            await first.passes(HOUR + MINUTE)
            await first.passes(MINUTE)  # for the answer, and then without it
            fuse.left, fuse.only = 1, None  # it ends here, if it has not before
            await first.archive.write(recording.meta_set, "the", "end")
    assert fuse.is_dead
    by_first = len(wire.handed_over)
    await clock.suspend(slept.total_seconds())
    wire.renew()
    async with leading(folder, wire=wire, clock=clock, known=known) as second:
        with suppress(InvalidArgument):  # what had not been accepted before its moment is refused
            await _asked_for(second, wanted)
        statuses = await _settled(second)
        assert by_first <= len(wire.handed_over) <= 1
        assert await second.archive.scheduled_sends() == ()
        assert statuses <= SETTLED | {SendStatus.FAILED}
        if SendStatus.FAILED in statuses:  # refused for its moment had passed, or nobody was there to ask
            assert wire.handed_over == []
        elif statuses:
            assert len(wire.handed_over) == 1 or statuses == {SendStatus.UNKNOWN}
    return wire


async def _asked_for(led: Later, wanted: SendRequest) -> None:
    """As an agent does it, and calls again; the person allows what is asked about."""
    try:
        await led.agent.do(sends.send, wanted)
    except ApprovalRequired:
        await _allow(led)


async def _allow(led: Later) -> None:
    for question in await led.person.do(approvals.approvals):
        await led.person.do(approvals.decide, question.id, True, "page")


async def _settled(led: Later) -> set[SendStatus]:
    """What becomes of the send, if it was accepted, while time passes and the person allows it."""
    for _ in range(20):
        await led.passes(5 * MINUTE)
        await _allow(led)
        try:
            status = await led.status(1)
        except MessageNotFound:
            return set()
        if status in SETTLED | {SendStatus.FAILED}:
            break
    await led.passes(MINUTE)
    return {await led.status(1)}


@pytest.mark.anyio
async def test_the_next_leader_asks_again_about_one_whose_question_was_being_asked(
    folder: AccountFolder,
) -> None:
    wire, clock = Wire(), FakeClock()
    async with leading(folder, wire=wire, clock=clock, policy=STANDARD) as first:
        await first.agent.do(sends.send, request(clock))
        await first.archive.write(outbox.asked, 1, clock.now() + HOUR)  # and no question
    await clock.suspend(1)
    async with leading(folder, wire=wire, clock=clock) as second:
        await second.act()
        assert await second.until(1, SendStatus.SCHEDULED) is SendStatus.SCHEDULED
        await second.passes(HOUR)
        await second.until(1, SendStatus.SENT)
        assert wire.handed_over == [ANA]


@pytest.mark.anyio
async def test_a_server_that_takes_over_sends_what_another_had_scheduled(folder: AccountFolder) -> None:
    wire, clock = Wire(), FakeClock()
    async with leading(folder, wire=wire, clock=clock, policy=STANDARD) as first:
        await first.agent.do(sends.send, request(clock))
    async with leading(folder, wire=wire, clock=clock) as second:
        await second.passes(HOUR)
        await second.until(1, SendStatus.SENT)
    async with leading(folder, wire=wire, clock=clock) as third:
        await third.passes(HOUR)
        assert wire.handed_over == [ANA]


@pytest.mark.anyio
async def test_a_yes_that_is_over_lets_nothing_go(folder: AccountFolder) -> None:
    wire, clock = Wire(), FakeClock()
    async with leading(folder, wire=wire, clock=clock, policy=STANDARD, known=False) as first:
        with pytest.raises(ApprovalRequired) as asked:
            await first.agent.do(sends.send, request(clock))
        await first.ledger.approvals.decide(asked.value.approval, True, "page", clock.now())
    await clock.suspend((HOUR + MINUTE).total_seconds())
    async with leading(folder, wire=wire, clock=clock, known=False) as second:
        assert await second.until(1, SendStatus.FAILED)
        assert wire.handed_over == []
