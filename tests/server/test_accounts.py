"""Tools, resources and cursors where whoever calls sees several accounts, and where they see one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from jsonschema import validate
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import PromptReference

from tests.server.conftest import ANN_LEE, incoming
from tests.server.fakes import NOON, FakeSource, text_of
from tests.server.test_core_tools import answer, refusal
from tests.server.two_accounts import CARLA, PRIVATE, WORK, TwoAccounts, two_accounts
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import Busy, InvalidArgument, WhatsAppError
from whatsapp_mcp.ledger import Exposure, Taint
from whatsapp_mcp.models import PERSON
from whatsapp_mcp.policy import Act, Audience, Effect, Policy
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import Services, spec_of
from whatsapp_mcp.server.calls.beginning import begun
from whatsapp_mcp.server.calls.call import Pages, Requester
from whatsapp_mcp.server.main import ServeOptions, _accounts_of
from whatsapp_mcp.server.tools import toolsets
from whatsapp_mcp.settings import PolicyMode, PolicySettings, Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def two(source: FakeSource, archive: Archive, tmp_path: Path) -> AsyncIterator[TwoAccounts]:
    home = tmp_path / "work-home"
    home.mkdir()
    async with two_accounts(home, source, archive) as both:
        yield both


@pytest.fixture
async def client(two: TwoAccounts) -> AsyncIterator[Client]:
    async with two.client() as connected:
        yield connected


async def test_every_tool_takes_the_account_and_what_reaches_others_has_to_be_given_one(
    client: Client,
) -> None:
    acts = {spec_of(each).name: not spec_of(each).spans for each in toolsets.load_tools("all")}

    listed = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}

    assert listed.keys() == acts.keys()
    for name, schema in listed.items():
        required = "account" in schema.get("required", ())
        choice = schema["properties"]["account"]["enum"]
        assert (required, choice) == (acts[name], ([] if required else ["all"]) + [PRIVATE, WORK]), name


async def test_a_second_account_costs_few_tokens(two: TwoAccounts, client: Client) -> None:
    async with Client(create(two.private, "all", structured=True)) as alone:
        one = {tool.name: json.dumps(tool.input_schema) for tool in (await alone.list_tools()).tools}

    for tool in (await client.list_tools()).tools:
        assert len(json.dumps(tool.input_schema)) - len(one[tool.name]) < 100, tool.name


async def test_with_one_account_nothing_names_it(two: TwoAccounts) -> None:
    async with Client(create(two.private, "all", structured=True)) as client:
        plain = await client.list_tools()
        error = await refusal(client, "list_chats", account=PRIVATE)
        uris = [str(each.uri) for each in (await client.list_resources()).resources]
        told = client.instructions or ""

    assert all("account" not in tool.input_schema["properties"] for tool in plain.tools)
    assert "'account' is not an argument of this tool" in error["message"]
    assert "whatsapp://chats" in uris
    assert "account" not in told


async def test_a_read_answers_for_every_account_under_its_name(client: Client) -> None:
    text, data = await answer(client, "list_chats")

    private, work = text.split("account work:\n")
    assert private.startswith("account private:\nChats, newest first:\n")
    assert "Boat club" in private
    assert "Carla" in work
    assert "Boat club" not in work
    assert {name: len(each["chats"]) for name, each in data["accounts"].items()} == {PRIVATE: 3, WORK: 2}


async def test_a_read_of_a_named_account_answers_for_it_alone(client: Client) -> None:
    text, data = await answer(client, "list_chats", account=WORK)
    every, _ = await answer(client, "list_chats", account="all")

    assert text.startswith("Chats, newest first:\n")
    assert [*data["accounts"]] == [WORK]
    assert every.startswith("account private:")


async def test_a_read_that_one_account_alone_offers_says_whose_answer_it_is(two: TwoAccounts) -> None:
    two.private.policy = Policy(PolicySettings(mode="open", tools_off=("list_chats",)))
    async with two.client() as client:
        text, _ = await answer(client, "list_chats")

    assert text.startswith("account work:\nChats, newest first:\n")


async def test_a_ref_without_an_account_is_answered_by_each_that_has_it(client: Client) -> None:
    both, _ = await answer(client, "get_message_context", message="#1")
    one, data = await answer(client, "get_message_context", message="#9")

    assert "Are you coming on Saturday?" in both
    assert "The invoice is late" in both
    assert one.startswith("account work:\n")
    assert [*data["accounts"]] == [WORK]


async def test_what_no_account_has_is_an_error_as_with_one(client: Client) -> None:
    error = await refusal(client, "get_message_context", message="#4711")

    assert error["code"] == "MESSAGE_NOT_FOUND"


def fail(source: FakeSource, patch: pytest.MonkeyPatch, error: WhatsAppError) -> None:
    """Let an account be one that cannot be opened."""

    async def services() -> Services:
        raise error

    patch.setattr(source, "services", services)


async def test_an_account_that_fails_costs_the_others_nothing(
    two: TwoAccounts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(two.work, monkeypatch, Busy("It is being upgraded.", "Try again later."))

    text, data = await answer(client, "list_chats")

    assert text.endswith("account work:\nBUSY: It is being upgraded. Try again later.")
    assert data["accounts"][WORK]["error"]["code"] == "BUSY"
    assert len(data["accounts"][PRIVATE]["chats"]) == 3


async def test_the_error_of_an_account_that_could_not_look_stands_before_one_that_has_nothing(
    two: TwoAccounts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(two.work, monkeypatch, Busy("It is being upgraded."))

    error = await refusal(client, "get_message_context", message="#9")

    assert error["code"] == "BUSY"


async def test_an_act_without_an_account_is_refused_with_the_names(two: TwoAccounts, client: Client) -> None:
    for wrong in ({}, {"account": "all"}, {"account": "nobody"}):
        error = await refusal(client, "send_message", chat=ANN_LEE, text="hello", **wrong)
        assert (error["code"], error["action"]) == ("INVALID_ARGUMENT", "Accounts: private, work.")

    assert two.private.device.sends == two.work.device.sends == []


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("check_numbers", {"numbers": ["+15550002222"]}), ("is_online", {"contact": ANN_LEE})],
)
async def test_people_are_not_asked_about_in_every_account(
    client: Client, tool: str, arguments: dict[str, Any]
) -> None:
    error = await refusal(client, tool, **arguments)
    assert (error["code"], error["action"]) == ("INVALID_ARGUMENT", "Accounts: private, work.")


async def test_an_act_is_done_in_the_account_that_it_names(two: TwoAccounts, client: Client) -> None:
    text, data = await answer(client, "send_message", account=WORK, chat=CARLA, text="on its way")

    assert [send.chat for send in two.work.device.sends] == [CARLA]
    assert two.private.device.sends == []
    assert data["ref"] == "#1042"
    assert "account" not in text


async def test_a_strangers_words_from_one_account_count_before_an_act_in_another(
    two: TwoAccounts,
) -> None:
    two.private.policy = two.work.policy = Policy.in_mode("standard")
    async with two.client() as client:
        await answer(client, "send_message", account=PRIVATE, chat=ANN_LEE, text="before")
        before = (await two.private.services()).ledger.tainted()
        words, _ = await answer(client, "get_message_context", account=WORK, message="#2")
        await answer(client, "send_message", account=PRIVATE, chat=ANN_LEE, text="after")
        after = (await two.private.services()).ledger.tainted()

    assert "Boss, are you coming?" in words
    assert not any(Exposure.STRANGER in each for each in before.values())
    assert [Exposure.STRANGER in each for each in after.values()] == [True]


@pytest.mark.parametrize(
    ("read", "act", "message"), [("open", "standard", "#2"), ("standard", "lockdown", "#1")]
)
async def test_words_that_count_only_where_the_act_is_done_count_there(
    two: TwoAccounts, read: PolicyMode, act: PolicyMode, message: str
) -> None:
    two.work.policy, two.private.policy = Policy.in_mode(read), Policy.in_mode(act)
    async with two.client() as client:
        await answer(client, "get_message_context", account=WORK, message=message, before=0, after=0)
        await answer(client, "send_message", account=PRIVATE, chat=ANN_LEE, text="x")

    (sources,) = (await two.private.services()).ledger.tainted().values()
    assert Taint(sources).counts(act)


@pytest.mark.parametrize("mode", ["open", "standard"])
async def test_one_account_alone_writes_down_only_what_counts_in_its_own_mode(
    two: TwoAccounts, mode: PolicyMode
) -> None:
    two.work.policy = Policy.in_mode(mode)
    async with Client(create(two.work, "core", structured=True)) as client:
        await answer(client, "list_messages", chat=CARLA)

    assert (await two.work.services()).ledger.tainted() == {}


async def test_an_account_that_cannot_be_opened_counts_as_one_that_handed_strangers_words_out(
    two: TwoAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.private.policy = two.work.policy = Policy.in_mode("standard")
    fail(two.private, monkeypatch, Busy("It is being upgraded."))
    async with two.client() as client:
        await answer(client, "send_message", account=WORK, chat=CARLA, text="x")

    tainted = (await two.work.services()).ledger.tainted()
    assert [*tainted.values()] == [frozenset({Exposure.STRANGER})]


@pytest.mark.parametrize(("accounts", "told"), [(None, True), (frozenset({WORK}), False)])
async def test_who_sees_some_accounts_alone_is_told_of_no_page(
    two: TwoAccounts, accounts: frozenset[str] | None, told: bool
) -> None:
    two.work.pages = Pages("whatsapp-mcp page --account work", "http://127.0.0.1/accounts/work/link")
    requester = Requester(PERSON, None, over_http=True, accounts=accounts)
    call = begun(two.work, requester, Act("link_device", Effect.LINK, Audience.NOBODY))
    assert ((await call.services()).pages is not None) is told


async def test_an_unknown_argument_is_refused_with_the_account_among_those_that_are_known(
    client: Client,
) -> None:
    error = await refusal(client, "send_message", account=WORK, chat=CARLA, text="x", colour="red")

    assert error["action"].startswith("Arguments: account, chat (needed), text (needed)")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("list_messages", {"chat": CARLA, "limit": 2}),
        ("list_chats", {"limit": 1}),
        ("search_messages", {"query": "Reminder", "limit": 2}),
    ],
)
async def test_a_cursor_goes_on_in_its_account(client: Client, tool: str, arguments: dict[str, Any]) -> None:
    text, data = await answer(client, tool, **arguments)
    cursor = data["accounts"][WORK]["next_cursor"]

    following, more = await answer(client, tool, **arguments, cursor=cursor)
    wrong = await refusal(client, tool, **arguments, cursor=cursor, account=PRIVATE)
    strange = await refusal(client, tool, **arguments, cursor=cursor.replace(WORK, "hidden"))

    assert cursor.startswith("work:")
    assert f"More: cursor={cursor}" in text
    assert [*more["accounts"]] == [WORK]
    assert following.startswith("account work:\n")
    assert following != text
    assert (wrong["code"], strange["code"]) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT")


async def test_waiting_hears_whichever_account_hears_first_and_goes_on_in_both(
    two: TwoAccounts, client: Client
) -> None:
    _, nothing = await answer(client, "wait_for_messages", wait=0)
    begin = nothing["accounts"][PRIVATE]["next_cursor"]

    async def write(name: str, chat: str, text: str) -> None:
        await two.archives[name].ingest([incoming(50, chat, chat, text, NOON)])

    text, heard = "", dict[str, Any]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write, WORK, CARLA, "Paid at last")
        text, heard = await answer(client, "wait_for_messages", wait=45, cursor=begin)
    await write(PRIVATE, ANN_LEE, "See you")
    cursor = heard["accounts"][WORK]["next_cursor"]
    later, _ = await answer(client, "wait_for_messages", wait=45, cursor=cursor)

    assert begin == nothing["accounts"][WORK]["next_cursor"]
    assert [*heard["accounts"]] == [WORK]
    assert "Paid at last" in text
    assert "See you" in later
    assert "Paid at last" not in later


async def test_a_tool_that_one_account_forbids_is_offered_for_the_others(two: TwoAccounts) -> None:
    two.private.policy = Policy.in_mode("read_only")
    async with two.client("core") as client:
        listed = {tool.name: tool.input_schema["properties"] for tool in (await client.list_tools()).tools}
        refused = await refusal(client, "send_message", account=PRIVATE, chat=ANN_LEE, text="x")

    assert listed["send_message"]["account"]["enum"] == [WORK]
    assert refused["code"] == "DENIED"


async def test_resources_are_listed_and_read_by_account(two: TwoAccounts, client: Client) -> None:
    uris = [str(each.uri) for each in (await client.list_resources()).resources]
    templates = [each.uri_template for each in (await client.list_resource_templates()).resource_templates]
    read = await client.read_resource("whatsapp://work/chats")

    assert {"whatsapp://private/chats", "whatsapp://work/chats", "whatsapp://work/status"} <= {*uris}
    assert "whatsapp://chats" not in uris
    assert "whatsapp://work/chats/{jid}/messages" in templates
    assert "Carla" in cast("Any", read.contents[0]).text
    for unknown in ("whatsapp://chats", "whatsapp://hidden/chats"):
        with pytest.raises(MCPError):
            await client.read_resource(unknown)


async def test_the_instructions_say_that_there_are_several(two: TwoAccounts, client: Client) -> None:
    several = client.instructions or ""

    assert "several accounts" in several
    assert len(several.encode()) <= 2_048
    assert two.application().instructions not in (None, several)


async def test_each_structured_answer_is_of_the_declared_shape(client: Client) -> None:
    tools = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}

    assert {"required": ["accounts"]} in (tools["list_chats"] or {})["anyOf"]
    assert "accounts" not in (tools["send_message"] or {})["properties"]
    for name, arguments in (("list_chats", {}), ("connection_status", {}), ("search_contacts", {})):
        assert not (await client.call_tool(name, arguments)).is_error  # the client checks the shape


async def test_an_error_of_every_account_is_of_the_declared_shape(client: Client) -> None:
    tools = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}
    result = await client.call_tool("get_message_context", {"message": "#4711"})

    validate(result.structured_content, tools["get_message_context"] or {})


async def test_a_chat_is_completed_from_the_accounts_that_can_be_opened(
    two: TwoAccounts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(two.private, monkeypatch, Busy("It is being upgraded."))

    completed = await client.complete(PromptReference(name="reply_to"), {"name": "chat", "value": "carla"})

    assert completed.completion.values == ["Carla"]


async def test_a_server_for_one_chat_has_no_account_to_choose(two: TwoAccounts) -> None:
    two.private.chat = ANN_LEE
    async with Client(create(two.private, "core")) as client:
        result = await client.call_tool("list_messages", {})

    assert "account private" not in text_of(result.content)


def test_a_server_that_is_bound_to_a_chat_serves_one_account(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    for name in (WORK, PRIVATE):
        settings.account_folder(name).create()

    assert _accounts_of(ServeOptions(), settings, is_bound=False) == [PRIVATE, WORK]
    assert _accounts_of(ServeOptions(WORK), settings, is_bound=True) == [WORK]
    with pytest.raises(InvalidArgument, match="private, work") as refused:
        _accounts_of(ServeOptions(), settings, is_bound=True)
    assert refused.value.action == "Name one with --account."


def test_a_copy_of_an_account_is_served_only_where_it_is_named(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (tmp_path / "accounts" / "work.bak").mkdir(parents=True)
    assert _accounts_of(ServeOptions(), settings, is_bound=True) == ["work.bak"]
    settings.account_folder(WORK).create()
    assert _accounts_of(ServeOptions(), settings, is_bound=True) == [WORK]
    assert _accounts_of(ServeOptions("work.bak"), settings, is_bound=True) == ["work.bak"]


def test_a_home_without_an_account_gets_a_first_one(tmp_path: Path) -> None:
    assert _accounts_of(ServeOptions(), Settings(home=tmp_path), is_bound=True) == ["default"]
