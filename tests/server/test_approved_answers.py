"""What `await_approval` answers once a person has said yes: what the tool itself would have."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import anyio
import pytest
from mcp import Client

from tests.archive import events as ev
from tests.devices import Direct
from tests.server.conftest import ANN_LEE, ANN_MAY, BOB, CLUB, ME
from tests.server.everything import Everything, everything
from tests.server.fakes import NOON, FakeDevice, FakeSource
from tests.server.linked import LIMIT
from tests.server.test_core_tools import answer
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, outbox, recording
from whatsapp_mcp.models import Approval, ApprovalState, GroupUpdate, SendRequest, TextContent
from whatsapp_mcp.server.application import create

pytestmark = pytest.mark.anyio

SENDS = (
    "send_message", "send_file", "forward_message", "send_location", "send_contact", "send_poll",
    "post_status", "react", "edit_message", "delete_message", "vote_poll", "pin_message",
)  # fmt: skip


class Decided(Direct):
    """A device with which the person has agreed to every send, whose number is that of the question."""

    async def approval(self, number: str, wait: float = 0.0) -> Approval:
        """One that was used."""
        return used(int(number))


def used(send_id: int) -> Approval:
    """A yes to a send."""
    return Approval("k7mq2x", ApprovalState.USED, "send_message", "test", (), "", NOON, NOON, send_id=send_id)


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Everything]:
    """One account for all of them."""
    async with everything(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="module")
async def asking(world: Everything) -> AsyncIterator[Client]:
    """A client whose questions are answered."""
    linked = world.linked
    source = FakeSource(Decided(linked.device), linked.archive, linked.home, worker=linked.worker)  # pyright: ignore[reportArgumentType]
    async with Client(create(source, "all", structured=True)) as client:
        yield client


async def told_later(client: Client, send_id: int) -> str:
    """What is told of a send to which a person has agreed, before any receipt."""
    text, data = await answer(client, "await_approval", approval=str(send_id))
    assert data["send"]["send_id"] == send_id
    without_counts = re.sub(r"; read \d+, delivered \d+, no receipt \d+(?=\.$)", "", text)
    return re.sub("^(delivered|read)", "sent", without_counts)


@for_each("tool", SENDS)
async def test_an_approved_send_is_told_of_in_the_words_of_its_tool(
    world: Everything, asking: Client, tool: str
) -> None:
    text, data = await answer(world.linked.client, tool, **world.good(tool))
    assert await told_later(asking, data["send_id"]) == text
    assert "#" in text


async def test_a_reply_that_mentions_somebody_says_so_later_too(world: Everything, asking: Client) -> None:
    given = {"chat": "Rowers", "text": "hi", "mentions": ["Ann"], "reply_to": world.refs["in group"]}
    text, data = await answer(world.linked.client, "send_message", **given)
    assert text.endswith(f"in reply to {world.refs['in group']}, mentioning Ann.")
    assert await told_later(asking, data["send_id"]) == text


async def test_a_send_that_is_on_its_way_is_waited_for(
    client: Client, device: FakeDevice, archive: Archive
) -> None:
    entry, _ = await archive.write(outbox.add, SendRequest(BOB, TextContent("hi")))
    device.held = used(entry.send_id)
    told: list[str] = []

    async def ask() -> None:
        told.append((await answer(client, "await_approval", approval="k7mq2x", wait=0))[0])

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await archive.write(outbox.sending, entry.send_id)
            await archive.outbox_sent(entry.send_id, "MID", NOON)
    assert told == ["sent to Bob +15550004444 as #6 at 12:00."]


async def test_one_that_does_not_go_out_is_told_of_as_queued_with_its_number(
    client: Client, device: FakeDevice, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsapp_mcp.server.tools.approvals.GOES_OUT", 0.05)
    entry, _ = await archive.write(outbox.add, SendRequest(BOB, TextContent("hi")))
    device.held = used(entry.send_id)
    text, _ = await answer(client, "await_approval", approval="k7mq2x", wait=0)
    assert text.startswith(f"queued to Bob +15550004444 (send_id {entry.send_id}): it goes out when")


async def test_the_receipts_of_a_group_are_counts(
    client: Client, device: FakeDevice, archive: Archive
) -> None:
    members = tuple((jid, None, False, False) for jid in (ME, ANN_LEE, ANN_MAY, BOB))
    await archive.write(recording.record_groups, [GroupUpdate(CLUB, "Boat club", members)])
    entry, _ = await archive.write(outbox.add, SendRequest(CLUB, TextContent("Regatta?")))
    await archive.write(outbox.sending, entry.send_id)
    await archive.outbox_sent(entry.send_id, "G1", NOON)
    at = int(NOON.timestamp())
    told = [
        ev.receipt("G1", chat=CLUB, sender=ANN_LEE, at=at + 60),
        ev.receipt("G1", kind="DELIVERED", chat=CLUB, sender=BOB, at=at + 5),
    ]
    await archive.ingest(ev.journal(told, after=100))
    device.held = used(entry.send_id)
    text, _ = await answer(client, "await_approval", approval="k7mq2x", wait=0)
    assert text == "sent to “Boat club” (group) as #6 at 12:00; read 1, delivered 1, no receipt 1."
