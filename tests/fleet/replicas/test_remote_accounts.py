"""A server whose accounts are led elsewhere tells, asks and writes down what one with their files would."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.shared.subscriptions import ResourceUpdated
from mcp.types import PromptReference, ResourceTemplateReference

from tests.fleet.replicas.rig import fleet, lead, led
from tests.server.conftest import ANN_LEE, BOB, incoming
from tests.server.fakes import NOON, FakeSource, text_of
from tests.server.over_http import api
from tests.server.test_core_tools import answer
from tests.server.test_elicitation import QUESTION, Person, chosen, host, send
from tests.server.test_push import Leader, of_chat
from tests.server.test_resources import fetches, received
from tests.server.two_accounts import CARLA, PRIVATE, WORK, TwoAccounts, two_accounts
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.ledger import Exposure
from whatsapp_mcp.models import ApprovalState
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls.elicitation import YES

pytestmark = pytest.mark.anyio
LIMIT = 30.0


@pytest.fixture
async def two(source: FakeSource, archive: Archive, tmp_path: Path) -> AsyncIterator[TwoAccounts]:
    home = tmp_path / "work-home"
    home.mkdir()
    async with two_accounts(home, source, archive) as both:
        yield both


@pytest.fixture
async def client(two: TwoAccounts) -> AsyncIterator[Client]:
    async with (
        led(two.private, two.work) as accounts,
        Client(create(accounts, "all", structured=True)) as connected,
    ):
        yield connected


async def test_what_is_read_across_accounts_is_what_a_server_with_their_files_says(
    two: TwoAccounts, client: Client
) -> None:
    async with Client(create(two.accounts, "all", structured=True)) as local:
        for tool, arguments in (
            ("list_chats", {}),
            ("list_messages", {"limit": 3}),
            ("search_messages", {"query": "keys"}),
            ("search_contacts", {"query": "Carla"}),
            ("connection_status", {"account": WORK}),
            ("get_message_context", {"message": "#77"}),
        ):
            here = await local.call_tool(tool, arguments)
            there = await client.call_tool(tool, arguments)
            assert _unfenced(text_of(there.content)) == _unfenced(text_of(here.content)), tool
            assert there.structured_content == here.structured_content, tool
        assert (await client.list_tools()).tools == (await local.list_tools()).tools


def _unfenced(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith(("<messages ", "</messages ")))


async def test_an_act_is_done_at_the_node_of_its_account(two: TwoAccounts, client: Client) -> None:
    text, data = await answer(client, "send_message", account=WORK, chat="Carla", text="Paid")
    assert [send.chat for send in two.work.device.sends] == [CARLA]
    assert (data["ref"], two.private.device.sends) == ("#1042", [])
    assert text.startswith("sent to Carla")


async def test_a_strangers_words_from_one_node_count_before_an_act_at_another(two: TwoAccounts) -> None:
    two.private.policy = two.work.policy = Policy.in_mode("standard")
    async with fleet("one", "other") as nodes:
        await lead(nodes, "one", two.private)
        await lead(nodes, "other", two.work)
        async with Client(create(nodes.accounts(two.private, two.work), "all", structured=True)) as client:
            words, _ = await answer(client, "get_message_context", account=WORK, message="#2")
            await answer(client, "send_message", account=PRIVATE, chat=ANN_LEE, text="after")
    assert "Boss, are you coming?" in words
    (sources,) = (await two.private.services()).ledger.tainted().values()
    assert Exposure.STRANGER in sources


async def test_of_an_account_that_nobody_leads_strangers_words_count_as_handed_out_whatever_a_copy_says(
    two: TwoAccounts,
) -> None:
    two.private.policy = two.work.policy = Policy.in_mode("standard")
    async with fleet("one", "copy") as nodes:
        nodes.expected = False
        await lead(nodes, "one", two.private)
        with nodes.nodes["copy"].served.copied(WORK, two.work, lambda: datetime.now(UTC)):
            async with Client(
                create(nodes.accounts(two.private, two.work), "all", structured=True)
            ) as client:
                await answer(client, "send_message", account=PRIVATE, chat=ANN_LEE, text="after")
    assert (await two.work.services()).ledger.tainted() == {}
    (sources,) = (await two.private.services()).ledger.tainted().values()
    assert Exposure.STRANGER in sources


async def test_waiting_hears_whichever_node_hears_first(two: TwoAccounts, client: Client) -> None:
    _, nothing = await answer(client, "wait_for_messages", wait=0)
    begin, text = nothing["accounts"][PRIVATE]["next_cursor"], ""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(two.archives[WORK].ingest, [incoming(50, CARLA, CARLA, "Paid at last", NOON)])
        text, _ = await answer(client, "wait_for_messages", wait=45, cursor=begin)
    assert "Paid at last" in text


async def test_chats_and_addresses_are_completed_by_nodes(two: TwoAccounts, client: Client) -> None:
    offered = {each.name: each for each in (await client.list_prompts()).prompts}
    name = next(name for name, each in offered.items() if any(a.name == "chat" for a in each.arguments or ()))
    prompt = PromptReference(name=name)
    completed = await client.complete(prompt, {"name": "chat", "value": "Carl"})
    assert completed.completion.values == ["Carla"]
    template = ResourceTemplateReference(uri=f"whatsapp://{WORK}/chats/{{jid}}/messages")
    completed = await client.complete(template, {"name": "jid", "value": "Carl"})
    assert completed.completion.values == [CARLA]


async def test_resources_are_read_at_nodes(client: Client) -> None:
    (content,) = (await client.read_resource(f"whatsapp://{WORK}/chats")).contents
    assert "Carla" in content.text  # pyright: ignore[reportAttributeAccessIssue]


async def test_changes_are_told_while_somebody_follows_them(source: FakeSource, archive: Archive) -> None:
    source.device = Leader(archive)
    heard: list[str] = []
    with anyio.fail_after(LIMIT):
        async with (
            led(source) as accounts,
            Client(create(accounts, "core")) as client,
            client.listen(resource_subscriptions=[of_chat(BOB)]) as subscription,
        ):
            await archive.ingest([incoming(40, BOB, BOB, "news", NOON)])
            async for event in subscription:
                assert isinstance(event, ResourceUpdated)
                heard.append(event.uri)
                break
    assert heard == [of_chat(BOB)]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_person_who_is_asked_through_the_host_decides_at_the_node(
    source: FakeSource, mode: Any
) -> None:
    device = source.device
    device.held = QUESTION
    person = Person(chosen(YES))
    async with led(source) as accounts:
        remote: Any = accounts
        async with host(remote, mode, person) as client:
            assert (await send(client)).startswith("sent to Ann Lee")
    assert (device.held.state, device.held.way) == (ApprovalState.APPROVED, "elicitation")
    assert len(device.sends) == len(person.seen) == 1


async def test_progress_of_a_call_reaches_the_client_through_the_replica(
    source: FakeSource, archive: Archive
) -> None:
    source.device = Leader(archive)
    told: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    with anyio.fail_after(LIMIT):
        async with led(source) as accounts, Client(create(accounts, "core")) as client:
            await client.call_tool("wait_for_messages", {"wait": 0.5}, progress_callback=hear)
    assert told


async def test_a_file_of_a_message_comes_from_its_node_in_parts(
    source: FakeSource, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"%PDF-1.7 " + bytes(range(256)) * 40
    monkeypatch.setattr("whatsapp_mcp.features.rest.files.PART", 1000)
    fetches(source.device, tmp_path / "plan.pdf", content)
    ref = await received(archive)
    async with led(source) as accounts:
        application = create(accounts, "all", structured=True)
        async with api(source, application=application) as http:
            answer = await http.get(f"/api/v1/media/{ref}")
            missing = await http.get("/api/v1/media/99999")
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert missing.status_code == 404
