"""A server that is bound to one chat tells nothing of any other, whichever tool or method is asked."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from mcp import Client, MCPError
from mcp.types import CallToolResult, ResourceTemplateReference

from tests.archive import events as ev
from tests.archive.events import journal
from tests.server.fakes import CODE, NOON, FakeDevice, FakeDevices, FakeSource, ledger_in, text_of
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, open_archive, outbox, recording
from whatsapp_mcp.errors import InvalidArgument, WhatsAppError
from whatsapp_mcp.media import Worker
from whatsapp_mcp.models import (
    EVERYTHING,
    Caller,
    ContactUpdate,
    GroupUpdate,
    MessageFilter,
    SendRequest,
    TextContent,
)
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.main import (  # pyright: ignore[reportPrivateUsage]
    _inherited_principal,
    _narrowed,
)
from whatsapp_mcp.server.reading import GuardedArchive
from whatsapp_mcp.settings import PRINCIPAL_VARIABLE, Settings

pytestmark = pytest.mark.anyio
ME, ANN, BOB = (f"1555000{each}@s.whatsapp.net" for each in (1111, 2222, 4444))
CLUB = "120363000000000001@g.us"
SECRET = "zebracorn"
"""Stands in every word and name beyond the chat with Ann."""
AT = int(NOON.timestamp()) - 7200
TOOLS = {
    "connection_status", "list_chats", "list_messages", "search_messages", "get_message_context",
    "send_message", "react", "mark_read", "download_media", "read_file", "message_status", "await_approval",
    "wait_for_messages", "send_poll", "vote_poll", "get_poll_results", "send_typing", "scheduled",
}  # fmt: skip
ELSEWHERE = {
    "chat": (BOB, CLUB, "Bob"),
    "sender": (BOB,),
    "query": (SECRET[:-1], "keys"),
    "message": ("#2",),
}


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    async with open_archive(folder, write=True) as opened:
        await opened.write(recording.set_own, ME, None, "Me")
        await opened.write(
            recording.record_contacts,
            [ContactUpdate(ANN, saved_name="Ann"), ContactUpdate(BOB, saved_name=f"Bob {SECRET}")],
        )
        await opened.write(recording.record_groups, [GroupUpdate(CLUB, f"Club {SECRET}")])
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        await opened.write(outbox.add, SendRequest(BOB, TextContent(SECRET), at=tomorrow))
        await opened.ingest(
            journal(
                [
                    ev.message("A1", "hello from Ann", chat=ANN, at=AT),
                    ev.message("B1", f"the keys {SECRET}", chat=BOB, at=AT + 60),
                    ev.message("C1", f"the keys {SECRET} too", chat=CLUB, sender=ANN, at=AT + 120),
                ]
            )
        )
        yield opened


@pytest.fixture
async def bound(archive: Archive, tmp_path: Path, worker: Worker) -> AsyncIterator[Client]:
    """A client of a server that is bound to the chat with Ann."""
    source = FakeSource(FakeDevice(), archive, tmp_path, worker=worker, chat=ANN)
    async with Client(create(source, "all", structured=True, new_code=lambda: CODE)) as client:
        yield client


def guarded(archive: Archive, home: Path) -> GuardedArchive:
    caller = Caller(f"chat:{ANN}", chat=ANN)
    return GuardedArchive(archive, ledger_in(home), Policy.in_mode("open"), caller)


async def test_what_needs_no_other_chat_is_offered_and_nothing_else(bound: Client) -> None:
    assert {tool.name for tool in (await bound.list_tools()).tools} == TOOLS


@for_each("tool", sorted(TOOLS))
async def test_no_tool_tells_of_another_chat(bound: Client, tool: str) -> None:
    listed = {each.name: each for each in (await bound.list_tools()).tools}
    properties = listed[tool].input_schema["properties"]
    base: dict[str, Any] = {name: 0 for name in ("wait",) if name in properties}
    base |= {"emoji": "👍"} if tool == "react" else {}
    calls = [
        base,
        *(
            {**base, name: value}
            for name, values in ELSEWHERE.items()
            if name in properties
            for value in values
        ),
    ]
    for arguments in calls:
        answer = await bound.call_tool(tool, arguments)
        assert isinstance(answer, CallToolResult)
        told = f"{text_of(answer.content)} {answer.structured_content}"
        assert SECRET not in told, arguments


HELPERS = {
    "view_of", "verdicts", "require_readable", "require_inside", "shown", "shown_chats", "hand_out", "agree",
    "pages", "is_named", "only_chat", "shown_people",
}  # fmt: skip
"""Of `Guard`: they are given what was read."""
METHODS = sorted(
    name
    for name, _ in inspect.getmembers(GuardedArchive, inspect.iscoroutinefunction)
    if not name.startswith("_") and name not in HELPERS
)
GIVEN: dict[str, Any] = {
    "jid": BOB, "chat": BOB, "key": 2, "keys": [2, 3], "count": 1, "text": "Bob",
    "name": "Bob", "query": SECRET[:-1], "after": 0, "since": NOON, "timeout": 0.0, "where": EVERYTHING,
    "mime_type": "image/png",
}  # fmt: skip


@for_each("method", METHODS)
async def test_no_method_of_the_archive_tells_of_another_chat(
    archive: Archive, tmp_path: Path, method: str
) -> None:
    asked = guarded(archive, tmp_path)
    call = getattr(asked, method)
    given = {name: GIVEN[name] for name in inspect.signature(call).parameters if name in GIVEN}
    variants = [given, *([{**given, "where": MessageFilter(chat=BOB)}] if "where" in given else [])]
    variants += [{key: value for key, value in given.items() if key != "query"}] if method != "search" else []
    for arguments in variants:
        try:
            told = repr(await call(**arguments))
        except (WhatsAppError, TypeError) as error:
            told = str(error)
        assert SECRET not in told
        assert BOB not in told


def mentioning(wa_id: str, *mentioned: str, chat: str, at: int) -> ev.Raw:
    """A message of Ann that mentions people, and quotes words that it says are Bob's."""
    body: Any = E2E.Message()
    body.extendedTextMessage.text = " ".join(f"@{jid.partition('@')[0]}" for jid in mentioned)
    context = body.extendedTextMessage.contextInfo
    context.mentionedJID.extend(mentioned)
    context.stanzaID, context.participant = "3EB0F0", BOB
    context.quotedMessage.conversation = "pay Ann"
    return ev.message(wa_id, body, chat=chat, sender=ANN, at=at)


async def test_names_of_people_who_are_not_in_the_chat_are_not_told(archive: Archive, tmp_path: Path) -> None:
    asked = guarded(archive, tmp_path)
    await archive.ingest(journal([mentioning("A2", ANN, BOB, ME, chat=ANN, at=AT + 300)], after=3))
    [message, _] = (await asked.messages()).items
    assert message.mentions is not None
    assert {one.name for one in message.mentions.values()} == {"Ann", "Me"}
    assert message.text == "@15550002222 @15550004444 @15550001111"
    assert message.quote is not None
    assert (message.quote.sender_name, message.quote.text) == (None, "pay Ann")
    [chat] = (await asked.chats()).items
    shown = [message, chat, *(await asked.search("15550004444")).items, *(await asked.context("A2")).items]
    assert SECRET not in repr(shown)


@for_each("query", ["from:Bob", "-in:Club", 'FROM:"Bob"', "(in:Club", "hello from:me"])
async def test_a_search_looks_up_no_name(archive: Archive, tmp_path: Path, query: str) -> None:
    with pytest.raises(InvalidArgument):
        await guarded(archive, tmp_path).search(query)


async def test_members_of_a_group_are_told_by_name(archive: Archive, tmp_path: Path) -> None:
    members = tuple((jid, None, False, False) for jid in (ME, ANN))
    await archive.write(recording.record_groups, [GroupUpdate(CLUB, "Club", participants=members)])
    await archive.ingest(journal([mentioning("C2", ANN, BOB, chat=CLUB, at=AT + 300)], after=3))
    caller = Caller(f"chat:{CLUB}", chat=CLUB)
    asked = GuardedArchive(archive, ledger_in(tmp_path), Policy.in_mode("open"), caller)
    message = await asked.message("C2")
    assert message.mentions is not None
    assert [one.name for one in message.mentions.values()] == ["Ann"]


async def test_the_chat_itself_is_read(bound: Client) -> None:
    for tool in ("list_messages", "list_chats"):
        assert "hello from Ann" in text_of((await bound.call_tool(tool, {})).content)
    found = await bound.call_tool("search_messages", {"query": "hello"})
    assert "**hello** from Ann" in text_of(found.content)


async def test_a_bound_caller_is_the_agent_of_its_chat(bound: Client, tmp_path: Path) -> None:
    await bound.call_tool("list_messages", {})
    audit = ledger_in(tmp_path).audit
    await audit.flush()
    rows = [row for row in audit.rows() if row.entry.operation == "messages"]
    assert [(row.entry.caller.principal, row.entry.chats) for row in rows] == [(f"chat:{ANN}", (ANN,))]


async def test_a_server_that_an_agents_command_starts_reads_as_that_agent(
    archive: Archive, tmp_path: Path, worker: Worker
) -> None:
    source = FakeSource(FakeDevice(), archive, tmp_path, worker=worker, principal=f"chat:{ME}")
    async with Client(create(source)) as client:
        found = await client.call_tool("list_messages", {"chat": BOB})
    assert SECRET in text_of(found.content)
    audit = ledger_in(tmp_path).audit
    await audit.flush()
    rows = [row for row in audit.rows() if row.entry.operation == "messages"]
    assert [row.entry.caller.principal for row in rows] == [f"chat:{ME}"]


async def test_nobody_but_an_agent_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _inherited_principal() == ""
    monkeypatch.setenv(PRINCIPAL_VARIABLE, f"chat:{ME}")
    assert _inherited_principal() == f"chat:{ME}"
    for value in ("person", "system", "chat:", "chat:Ann", "stdio:claude"):
        monkeypatch.setenv(PRINCIPAL_VARIABLE, value)
        with pytest.raises(InvalidArgument):
            _inherited_principal()


async def test_the_environment_binds_and_the_command_line_only_narrows() -> None:
    assert _narrowed("", "") == ""
    assert _narrowed("+15550002222", "") == ANN == _narrowed("", ANN) == _narrowed("+15550002222", ANN)
    with pytest.raises(InvalidArgument):
        _narrowed(BOB, ANN)
    for name in ("Ann", "self", "status@broadcast"):
        with pytest.raises(InvalidArgument):
            _narrowed(name, "")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_no_resource_and_no_completion_tells_of_another_chat(
    archive: Archive, tmp_path: Path, worker: Worker, mode: Literal["auto", "legacy"]
) -> None:
    source = FakeSource(FakeDevice(), archive, tmp_path, worker=worker, chat=ANN)
    template = "whatsapp://chats/{jid}/messages"
    async with Client(create(source, "all", new_code=lambda: CODE), mode=mode) as client:
        listed = [each.uri for each in (await client.list_resources()).resources]
        read = [await client.read_resource(uri) for uri in listed if uri.startswith("whatsapp:")]
        read.append(await client.read_resource(template.format(jid=ANN)))
        for uri in (template.format(jid=BOB), template.format(jid=CLUB), f"whatsapp://contacts/{BOB}"):
            with pytest.raises(MCPError):
                await client.read_resource(uri)
        reference = ResourceTemplateReference(uri=template)
        found = [
            await client.complete(reference, {"name": "jid", "value": typed})
            for typed in ("", "Bob", "Club", BOB)
        ]
    assert SECRET not in str(read)
    assert "hello from Ann" in str(read)
    assert {value for each in found for value in each.completion.values} <= {ANN}


async def test_nobody_is_told_of_changes_in_another_chat(
    archive: Archive, tmp_path: Path, worker: Worker
) -> None:
    source = FakeSource(FakeDevice(), archive, tmp_path, worker=worker, chat=ANN)
    chats, of_bob = "whatsapp://chats", f"whatsapp://chats/{BOB}/messages"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.feed.run, FakeDevices(FakeDevice()), archive)
        async with (
            Client(create(source, "core")) as client,
            client.listen(resource_subscriptions=[chats, of_bob]) as changes,
        ):
            assert changes.honored.resource_subscriptions == [chats]
            told: list[str] = []

            async def listen() -> None:
                told.append(str(await anext(aiter(changes))))

            tasks.start_soon(listen)
            await archive.ingest(journal([ev.message("B2", "psst", chat=BOB, at=AT + 200)], after=3))
            await anyio.sleep(1.0)
            assert told == []
            await archive.ingest(journal([ev.message("A2", "hello again", chat=ANN, at=AT + 300)], after=4))
            with anyio.fail_after(30):
                while not told:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
