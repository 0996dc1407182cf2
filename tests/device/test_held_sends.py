"""A yes lets go exactly the send that was asked about, whatever became of it and of others meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.device.conftest import Leader
from tests.device.guarded import AGENT, Guarded, guarding
from whatsapp_mcp.archive import outbox
from whatsapp_mcp.device.operations import approvals, sends
from whatsapp_mcp.errors import ApprovalRequired, Denied, InvalidArgument, MessageNotFound
from whatsapp_mcp.models import (
    AlbumContent,
    ApprovalState,
    FileContent,
    OutboxEntry,
    SendRequest,
    SendStatus,
    TextContent,
)
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
ASKING = replace(AGENT, asks=True)


@pytest.fixture
async def guarded(wa: WhatsApp, linked: Leader, folder: AccountFolder) -> AsyncIterator[Guarded]:
    async with guarding(wa, linked, folder) as opened:
        yield opened


async def asked(guarded: Guarded, request: SendRequest) -> str:
    with pytest.raises(ApprovalRequired) as raised:
        await guarded.acting_for(ASKING).do(sends.send, request)
    return raised.value.approval


def saying(guarded: Guarded, text: str) -> SendRequest:
    return SendRequest(str(guarded.stranger.pn), TextContent(text), wait=20)


def state(guarded: Guarded, number: str) -> ApprovalState:
    return guarded.ledger.approvals.get(number).approval.state


async def held_by(guarded: Guarded, number: str) -> int:
    send_id = guarded.ledger.approvals.get(number).approval.send_id
    assert send_id is not None
    return send_id


async def nothing_came(guarded: Guarded) -> None:
    """A send that is accepted later arrives, and nothing did before it."""
    await guarded.person.do(sends.send, saying(guarded, "after it"))
    assert [each.text for each in guarded.stranger.inbox] == ["after it"]


async def test_a_yes_to_one_text_never_sends_another_that_is_held(guarded: Guarded) -> None:
    one, other = await asked(guarded, saying(guarded, "hello")), await asked(guarded, saying(guarded, "keys"))
    send_id = await held_by(guarded, other)
    await guarded.ledger.approvals.note_send(one, send_id)
    await guarded.person.do(approvals.decide, one, True, "elicitation")
    assert state(guarded, one) is ApprovalState.VOID
    assert (await guarded.leader.archive.outbox_get(send_id)).status is not SendStatus.QUEUED
    await nothing_came(guarded)


@pytest.mark.parametrize("approved", [True, False])
async def test_an_answer_that_comes_before_the_send_is_stored_counts(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, approved: bool
) -> None:
    outbox = guarded.leader.device.outbox
    hold = outbox.hold

    async def answered_meanwhile(*arguments: Any, **more: Any) -> OutboxEntry:
        (question,) = await guarded.person.do(approvals.approvals)
        await guarded.person.do(approvals.decide, question.id, approved, "terminal")
        return await hold(*arguments, **more)

    monkeypatch.setattr(outbox, "hold", answered_meanwhile)
    if approved:
        await guarded.agent.do(sends.send, saying(guarded, "hello"))
    else:
        with pytest.raises(Denied, match="said no"):
            await guarded.agent.do(sends.send, saying(guarded, "hello"))
    assert [each.text for each in guarded.stranger.inbox] == ["hello"] * approved
    assert await guarded.leader.archive.outbox_held() == ()


async def test_deleting_a_chat_withdraws_what_is_held_for_it_and_ends_the_question(guarded: Guarded) -> None:
    number = await asked(guarded, saying(guarded, "hello"))
    send_id = await held_by(guarded, number)
    await guarded.person.do(sends.forget_chat, str(guarded.stranger.pn))
    with pytest.raises(MessageNotFound):
        await guarded.leader.archive.outbox_get(send_id)
    with anyio.fail_after(30):
        assert (await guarded.gate.approvals.approval(number, 30)).state is ApprovalState.VOID
    held = guarded.ledger.approvals.get(number)
    assert (held.arguments, held.approval.question) == (None, ())


@pytest.mark.parametrize("answer", [True, False])
async def test_an_answer_about_a_send_that_was_deleted_sends_nothing(guarded: Guarded, answer: bool) -> None:
    number = await asked(guarded, saying(guarded, "hello"))
    await guarded.leader.archive.purge(chat=str(guarded.stranger.pn))
    other = await asked(guarded, saying(guarded, "keys"))
    with suppress(InvalidArgument):  # the leader has looked meanwhile, and ended it
        await guarded.person.do(approvals.decide, number, answer, "elicitation")
    still = await guarded.leader.archive.outbox_get(await held_by(guarded, other))
    assert (state(guarded, other), still.status) == (ApprovalState.OPEN, SendStatus.HELD)
    await nothing_came(guarded)


def album(guarded: Guarded, folder: Path) -> SendRequest:
    files: list[FileContent] = []
    for name in "ab":
        path = folder / f"{name}.jpg"
        path.write_bytes(name.encode())
        files.append(FileContent("image", str(path), "image/jpeg"))
    return SendRequest(str(guarded.stranger.pn), AlbumContent(tuple(files)), idempotency_key="k", wait=0.0)


async def failed_album(guarded: Guarded, request: SendRequest) -> int:
    """An album that WhatsApp has, whose files have failed before they were handed over."""
    archive, until = guarded.leader.archive, datetime.now(UTC) + timedelta(hours=1)
    entry, _ = await archive.write(
        outbox.add, request, expires_at=until, held=True, principal=ASKING.principal
    )
    await archive.outbox_sent(entry.send_id, "3EB0AAAAAAAAAAAAAAAA", datetime.now(UTC))
    for file in await archive.outbox_album(entry.send_id):
        await archive.write(outbox.withdrawn, file.send_id, "It expired.")
    return entry.send_id


async def states(guarded: Guarded, send_id: int) -> set[SendStatus]:
    return {file.status for file in await guarded.leader.archive.outbox_album(send_id)}


@pytest.mark.parametrize("answer", [True, False])
async def test_the_files_of_an_album_wait_for_the_yes_that_lets_them_go_again(
    guarded: Guarded, folder: AccountFolder, answer: bool
) -> None:
    folder.media.mkdir(exist_ok=True)
    request = album(guarded, folder.media)
    send_id = await failed_album(guarded, request)
    number = await asked(guarded, request)
    assert await states(guarded, send_id) == {SendStatus.FAILED}
    await guarded.person.do(approvals.decide, number, answer, "elicitation")
    assert (SendStatus.FAILED in await states(guarded, send_id)) is not answer
