"""A yes lets its send go once, whoever else is about to do the same, or looks for what was left undone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import anyio
import pytest

from tests.archive.events import ANA
from tests.device.later_rig import Later, leading
from whatsapp_mcp.device.guard import Upkeep
from whatsapp_mcp.device.operations import approvals, sends
from whatsapp_mcp.errors import ApprovalRequired
from whatsapp_mcp.models import ApprovalState, SendRequest, SendStatus, TextContent
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
STANDARD = '[policy]\nmode = "standard"\n'


@pytest.fixture
async def later(folder: AccountFolder) -> AsyncIterator[Later]:
    """A leader without a connection, to which Ana is a stranger."""
    async with leading(folder, policy=STANDARD, known=False) as opened:
        opened.wire.online = False
        await opened.act()
        yield opened


async def asked(later: Later, request: SendRequest) -> tuple[str, int]:
    """The question about a send, and the send."""
    with pytest.raises(ApprovalRequired) as raised:
        await later.agent.do(sends.send, request)
    send_id = later.ledger.approvals.get(raised.value.approval).approval.send_id
    assert send_id is not None
    return raised.value.approval, send_id


def saying(text: str) -> SendRequest:
    return SendRequest(ANA, TextContent(text), wait=0.0)


async def approved(later: Later, number: str) -> None:
    """A person's yes, after which the leader ended."""
    await later.ledger.approvals.decide(number, True, "page", later.clock.now())


async def next_upkeep(later: Later) -> Upkeep:
    """What a leader that starts now does about what the last one has left."""
    await later.clock.advance(1)
    return Upkeep(later.archive, later.ledger, later.gate)


class Blocked:
    """A call that waits, each time until it is let go on.

    Attributes:
        calls: What each that waits, or has waited, waits for.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self.calls: list[anyio.Event] = []
        call = getattr(owner, name)

        async def waiting(*arguments: Any, **more: Any) -> Any:
            self.calls.append(mine := anyio.Event())
            await mine.wait()
            return await call(*arguments, **more)

        monkeypatch.setattr(owner, name, waiting)

    async def until(self, count: int) -> None:
        """Wait for so many calls."""
        with anyio.fail_after(30):
            while len(self.calls) < count:  # noqa: ASYNC110
                await anyio.sleep(0.002)

    async def let_go(self, later: Later, done: anyio.Event) -> None:
        """Let the calls go on one after the other, also those that come meanwhile, until that is done."""
        with anyio.fail_after(30):
            while not done.is_set():
                for call in self.calls:
                    call.set()
                    await later.act()
        await later.act()


async def says_yes(later: Later, number: str, done: anyio.Event) -> None:
    """A person's answer, and when it has been followed."""
    await later.person.do(approvals.decide, number, True, "page")
    done.set()


def released(later: Later) -> list[str | None]:
    """The questions whose sends were let go, as the audit has them."""
    rows = later.ledger.audit.rows(limit=100)
    return [row.entry.approval for row in rows if row.entry.outcome == "released"]


async def test_two_releases_of_one_yes_let_its_send_go_once(later: Later) -> None:
    number, send_id = await asked(later, saying("hello"))
    await approved(later, number)
    held = later.ledger.approvals.get(number)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later.gate.sends.release, held)
        tasks.start_soon(later.gate.sends.release, held)
    assert await later.status(send_id) is SendStatus.QUEUED
    assert later.ledger.approvals.get(number).approval.state is ApprovalState.USED
    assert released(later) == [number]


async def test_an_answer_while_a_large_file_is_read_is_not_undone_by_a_leader_that_starts(
    later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, send_id = await asked(later, saying("hello"))
    upkeep = await next_upkeep(later)
    reading = Blocked(monkeypatch, later.gate.sends, "content_hash")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(says_yes, later, number, done := anyio.Event())
        await reading.until(1)
        tasks.start_soon(upkeep.run)
        await later.act()
        await reading.let_go(later, done)
        tasks.cancel_scope.cancel()
    assert await later.status(send_id) is SendStatus.QUEUED
    assert released(later) == [number]


async def test_an_answer_while_a_leader_releases_another_send_is_not_taken_for_a_lost_question(
    later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = await asked(later, saying("first"))
    number, send_id = await asked(later, saying("second"))
    await approved(later, first)
    upkeep = await next_upkeep(later)
    reading = Blocked(monkeypatch, later.gate.sends, "content_hash")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(upkeep.run)
        await reading.until(1)
        tasks.start_soon(says_yes, later, number, done := anyio.Event())
        await later.act()
        await reading.let_go(later, done)
        tasks.cancel_scope.cancel()
    assert await later.status(send_id) is SendStatus.QUEUED


async def test_a_send_that_replaces_another_is_not_refused_because_it_was_released_already(
    later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    former, old = await asked(later, later.later("the old one"))
    await later.person.do(approvals.decide, former, True, "page")
    number, send_id = await asked(later, later.later("the new one", replaces=old))
    upkeep = await next_upkeep(later)
    noting = Blocked(monkeypatch, later.gate.books, "released")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(says_yes, later, number, done := anyio.Event())
        await noting.until(1)
        tasks.start_soon(upkeep.run)
        await later.act()
        await noting.let_go(later, done)
        tasks.cancel_scope.cancel()
    assert await later.status(send_id) is SendStatus.SCHEDULED
    assert await later.status(old) is SendStatus.FAILED
    assert released(later) == [former, number]


async def test_the_same_send_asked_for_twice_at_once_is_one_question_and_goes_out_once(
    later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding = Blocked(monkeypatch, later.gate.sends, "hold")

    first, second = anyio.Event(), anyio.Event()

    async def ask(done: anyio.Event) -> None:
        with suppress(ApprovalRequired):
            await later.agent.do(sends.send, saying("hello"))
        done.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, first)
        tasks.start_soon(ask, second)
        await holding.until(1)
        await later.act()
        await holding.let_go(later, first)
        await holding.let_go(later, second)
    (question,) = await later.person.do(approvals.approvals)
    await later.person.do(approvals.decide, question.id, True, "page")
    assert await later.archive.outbox_held() == ()
    assert [entry.status for entry in await later.archive.outbox_unsettled()] == [SendStatus.QUEUED]
