"""Clients are told what has changed, in both versions of the protocol, and only what they may read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import anyio
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.subscriptions import ResourceUpdated, ToolsListChanged
from mcp.types import ResourceUpdatedNotification, ToolListChangedNotification

from tests.archive import events as ev
from tests.archive.events import journal
from tests.server.conftest import ANN_LEE, BOB, CLUB, incoming
from tests.server.fakes import CODE, NOON, FakeDevice, FakeDevices, FakeSource
from tests.server.over_http import listening
from tests.server.test_withholding import ruled
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.models import (
    Activity,
    ConnectionState,
    ContactUpdate,
    FileReading,
    LinkState,
    Passage,
    ReadingKind,
)
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.server import publisher
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.subscriptions import QUIET, Subscriber, Topic
from whatsapp_mcp.settings import PolicySettings

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]
Mode = Literal["auto", "legacy"]
ERAS: tuple[Mode, ...] = ("auto", "legacy")
LIMIT = 30
STATUS, CHATS, UNREAD = "whatsapp://status", "whatsapp://chats", "whatsapp://unread"


def of_chat(jid: str) -> str:
    """The URI of the messages of a chat."""
    return f"whatsapp://chats/{jid}/messages"


def of_person(jid: str) -> str:
    """The URI of somebody."""
    return f"whatsapp://contacts/{jid}"


def of_file(ref: int) -> str:
    """The URI of the file of a message."""
    return f"whatsapp://media/{ref}"


class Leader(FakeDevice):
    """A leader that reports changes of the archive and of its connection."""

    def __init__(self, archive: Archive) -> None:
        super().__init__()
        self.archive = archive
        self.link_now = LinkState(ConnectionState.ONLINE, 1)
        self.changed = anyio.Event()

    async def activity(self, after: int, wait: float = 0.0) -> Activity:
        return Activity(await self.archive.wait_change(after, wait))

    async def link_state(self, after_revision: int = -1, wait: float = 0.0) -> LinkState:
        with anyio.move_on_after(wait):
            while self.link_now.revision <= after_revision:
                await self.changed.wait()
        return self.link_now

    def becomes(self, state: ConnectionState) -> None:
        """Go to another state."""
        self.link_now = LinkState(state, self.link_now.revision + 1)
        self.changed.set()
        self.changed = anyio.Event()


@dataclass
class Told:
    """What a client was told, and the client."""

    client: Client
    events: list[str] = field(default_factory=list[str])
    news: anyio.Event = field(default_factory=anyio.Event)

    def hear(self, event: object) -> None:
        """Note an event or a notification."""
        if isinstance(event, ResourceUpdated):
            self.events.append(event.uri)
        elif isinstance(event, ResourceUpdatedNotification):
            self.events.append(event.params.uri)
        elif isinstance(event, (ToolsListChanged, ToolListChangedNotification)):
            self.events.append("tools")
        self.news.set()
        self.news = anyio.Event()

    async def until(self, holds: Callable[[list[str]], bool]) -> None:
        """Wait until what was told is as asked."""
        with anyio.fail_after(LIMIT):
            while not holds(self.events):
                await self.news.wait()


@asynccontextmanager
async def told(source: FakeSource, mode: Mode, *uris: str, tools: bool = False) -> AsyncIterator[Told]:
    """A client that is told of these, and of the list of tools where it wants to be."""
    heard: list[Told] = []

    async def handle(message: Any) -> None:
        if heard and mode == "legacy":  # else a subscription hears the same
            heard[0].hear(message)

    application = create(source, "core", new_code=lambda: CODE)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.feed.run, FakeDevices(source.device), source.archive)
        async with Client(application, mode=mode, message_handler=handle) as client:
            heard.append(Told(client))
            if mode == "legacy":
                for uri in uris:
                    await client.subscribe_resource(uri)
                yield heard[0]
            else:
                listening = client.listen(resource_subscriptions=list(uris), tools_list_changed=tools)
                async with listening as subscription:
                    assert list(subscription.honored.resource_subscriptions or ()) == list(uris)

                    async def listen() -> None:
                        async for event in subscription:
                            heard[0].hear(event)

                    tasks.start_soon(listen)
                    yield heard[0]
        tasks.cancel_scope.cancel()


@pytest.fixture
def leader(archive: Archive) -> Leader:
    return Leader(archive)


@pytest.fixture
def source(leader: Leader, source: FakeSource) -> FakeSource:
    source.device = leader
    return source


async def says(
    archive: Archive, seq: int, chat: str, *, sender: str | None = None, mine: bool = False
) -> None:
    """A message in a chat."""
    at = NOON + timedelta(days=1)
    await archive.ingest([incoming(seq, chat, sender or chat, f"number {seq}", at, from_me=mine)])


@pytest.mark.parametrize("mode", ERAS)
async def test_a_message_is_told_to_whom_follows_its_chat_and_the_lists(
    source: FakeSource, archive: Archive, mode: Mode
) -> None:
    uris = (of_chat(BOB), of_chat(CLUB), CHATS, UNREAD, STATUS)
    async with told(source, mode, *uris) as heard:
        await says(archive, 40, BOB)
        await heard.until(lambda events: len(events) == 3)
        await says(archive, 41, CLUB, sender=BOB)
        await heard.until(lambda events: len(events) == 6)
    assert set(heard.events[:3]) == {of_chat(BOB), CHATS, UNREAD}
    assert set(heard.events[3:]) == {of_chat(CLUB), CHATS, UNREAD}


@pytest.mark.parametrize("mode", ERAS)
async def test_a_chat_that_is_purged_is_told_and_gone_when_it_is_read_again(
    source: FakeSource, archive: Archive, mode: Mode
) -> None:
    await says(archive, 40, BOB)
    async with told(source, mode, of_chat(BOB), of_chat(CLUB), UNREAD) as heard:
        await archive.purge(chat=BOB)
        await heard.until(lambda events: len(events) == 2)
        await anyio.sleep(2 * QUIET)
        contents = [str((await heard.client.read_resource(uri)).contents) for uri in (of_chat(BOB), UNREAD)]
    assert set(heard.events) == {of_chat(BOB), UNREAD}
    assert all("number 40" not in content for content in contents)


@pytest.mark.parametrize("mode", ERAS)
async def test_that_old_messages_are_purged_is_told_to_whom_follows_any_chat(
    source: FakeSource, archive: Archive, mode: Mode
) -> None:
    async with told(source, mode, of_chat(BOB), CHATS) as heard:
        await archive.purge(before=NOON + timedelta(days=1))
        await heard.until(lambda events: {of_chat(BOB), CHATS} <= {*events})


@pytest.mark.parametrize("mode", ERAS)
async def test_another_name_of_somebody_is_told_to_whom_follows_them_alone(
    source: FakeSource, archive: Archive, mode: Mode
) -> None:
    by_number = of_person("+15550004444")
    async with told(source, mode, of_person(ANN_LEE), by_number) as heard:
        await archive.write(recording.record_contacts, [ContactUpdate(BOB, saved_name="Robert")])
        await heard.until(lambda events: events == [by_number])
        contents = (await heard.client.read_resource(by_number)).contents
    assert "Robert" in str(contents)


@pytest.mark.parametrize("mode", ERAS)
async def test_of_an_address_book_that_comes_everybody_is_told_and_its_names_again_to_nobody(
    source: FakeSource, archive: Archive, mode: Mode
) -> None:
    book = [ContactUpdate(f"1555001{at:04}@s.whatsapp.net", saved_name=f"Person {at}") for at in range(50)]
    before = await archive.last_change()
    async with told(source, mode, of_person(BOB)) as heard:
        await archive.write(recording.record_contacts, book)
        await heard.until(lambda events: events == [of_person(BOB)])
        await archive.write(recording.record_contacts, book)
    assert [(one.kind, one.actor) for one in await archive.changes(before)] == [("contact", None)]


@pytest.mark.parametrize("mode", ERAS)
async def test_that_somebody_is_known_or_has_a_number_is_told(
    source: FakeSource, archive: Archive, mode: Mode
) -> None:
    lid = "777000111@lid"
    async with told(source, mode, of_person(BOB), of_person(lid)) as heard:
        await archive.write(recording.confirm_person, BOB, True)
        await heard.until(lambda events: events == [of_person(BOB)])
        await archive.write(recording.record_identities, [(BOB, lid)])
        await heard.until(lambda events: of_person(lid) in events)


@pytest.mark.parametrize("mode", ERAS)
async def test_a_file_that_is_fetched_or_read_or_purged_is_told_to_whom_follows_it_alone(
    source: FakeSource, archive: Archive, mode: Mode
) -> None:
    for number in (40, 41):
        voice = E2E.Message()
        voice.audioMessage.PTT, voice.audioMessage.mimetype = True, "audio/ogg"
        await archive.ingest(journal([ev.message(f"V{number}", voice, chat=BOB)], after=number - 1))
    ref, other = [(await archive.message(f"V{number}")).ref for number in (40, 41)]
    reading = FileReading(ReadingKind.TRANSCRIPT, (Passage("See you at eight"),), "whisper")
    async with told(source, mode, of_file(ref)) as heard:
        await archive.write(recording.record_media_path, other, "elsewhere.ogg")
        await archive.write(recording.record_media_path, ref, "voice.ogg")
        await heard.until(lambda events: events == [of_file(ref)])
        await archive.write(recording.record_reading, ref, reading)
        await heard.until(lambda events: len(events) == 2)
        await archive.purge(chat=BOB)
        await heard.until(lambda events: len(events) == 3)
    assert set(heard.events) == {of_file(ref)}


async def test_nobody_hears_of_somebody_who_may_not_be_read(source: FakeSource, archive: Archive) -> None:
    async with told(source, "auto", of_person(BOB), of_person(ANN_LEE)) as heard:
        source.policy = ruled(jid=BOB, read="deny")
        await archive.write(recording.record_contacts, [ContactUpdate(BOB, saved_name="Robert")])
        await archive.write(recording.record_contacts, [ContactUpdate(ANN_LEE, saved_name="Annabel")])
        await heard.until(lambda events: len(events) > 0)
    assert heard.events == [of_person(ANN_LEE)]


@pytest.mark.parametrize("mode", ERAS)
async def test_what_it_was_told_of_is_there_when_it_reads(
    source: FakeSource, archive: Archive, mode: Mode
) -> None:
    async with told(source, mode, UNREAD) as heard:
        await says(archive, 40, BOB)
        await heard.until(lambda events: events == [UNREAD])
        contents = (await heard.client.read_resource(UNREAD)).contents
    assert "number 40" in str(contents)


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize(
    "uri", ["whatsapp://chats/15550004444%40s.whatsapp.net/messages", of_chat("+15550004444")]
)
async def test_a_chat_may_be_named_by_another_form_of_its_address(
    source: FakeSource, archive: Archive, mode: Mode, uri: str
) -> None:
    async with told(source, mode, uri) as heard:
        await says(archive, 40, BOB)
        await heard.until(lambda events: events == [uri])


async def test_a_chat_that_is_followed_by_its_lid_is_followed_when_the_number_is_known(
    source: FakeSource, archive: Archive
) -> None:
    lid = "777000111@lid"
    async with told(source, "auto", of_chat(lid)) as heard:
        await archive.write(recording.record_identities, [(BOB, lid)])
        await says(archive, 40, BOB)
        await heard.until(lambda events: of_chat(lid) in events)


@pytest.mark.parametrize("mode", ERAS)
async def test_a_burst_is_told_at_once_and_then_once_in_a_while(
    source: FakeSource, archive: Archive, mode: Mode
) -> None:
    async with told(source, mode, of_chat(BOB)) as heard:
        begin = anyio.current_time()
        for seq in range(40, 140):
            await says(archive, seq, BOB)
        lasted = anyio.current_time() - begin
        before = len(heard.events)
        await anyio.sleep(2 * QUIET)
    assert heard.events[0] == of_chat(BOB)
    assert before <= lasted / QUIET + 1
    # One may have been on its way when they were counted, and one is told of the rest.
    assert len(heard.events) <= before + 2


@pytest.mark.parametrize("mode", ERAS)
async def test_states_of_the_connection_are_told(source: FakeSource, leader: Leader, mode: Mode) -> None:
    async with told(source, mode, STATUS) as heard:
        await anyio.wait_all_tasks_blocked()
        leader.becomes(ConnectionState.RECONNECTING)
        await heard.until(lambda events: events == [STATUS])


@pytest.mark.parametrize("mode", ERAS)
async def test_the_list_of_tools_follows_the_policy(
    source: FakeSource, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "LOOK", 0.01)
    async with told(source, mode, tools=True) as heard:
        before = {tool.name for tool in (await heard.client.list_tools()).tools}
        await anyio.wait_all_tasks_blocked()
        source.policy = Policy(PolicySettings(tools_off=("send_message",)))
        await heard.until(lambda events: "tools" in events)
        after = {tool.name for tool in (await heard.client.list_tools()).tools}
    assert before - after == {"send_message"}


@pytest.mark.parametrize("mode", ERAS)
async def test_the_list_of_tools_is_the_same_whatever_becomes_of_the_connection(
    source: FakeSource, leader: Leader, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "LOOK", 0.01)
    async with told(source, mode, STATUS, tools=True) as heard:
        before = (await heard.client.list_tools()).tools
        await anyio.wait_all_tasks_blocked()
        leader.becomes(ConnectionState.UNLINKED)
        await heard.until(lambda events: STATUS in events)
        await anyio.sleep(0.05)
        assert (await heard.client.list_tools()).tools == before
    assert "tools" not in heard.events


@pytest.mark.parametrize("mode", ERAS)
async def test_nobody_hears_of_a_chat_that_may_not_be_read(
    source: FakeSource, archive: Archive, mode: Mode
) -> None:
    async with told(source, mode, of_chat(BOB), CHATS) as heard:
        source.policy = ruled(jid=BOB, read="deny")
        await says(archive, 40, BOB)
        await says(archive, 41, ANN_LEE)
        await heard.until(lambda events: CHATS in events)
        await anyio.sleep(2 * QUIET)
    assert heard.events == [CHATS]


async def test_what_may_not_be_read_is_left_out_of_the_acknowledgement(source: FakeSource) -> None:
    source.policy = ruled(jid=BOB, read="deny")
    asked = [of_chat(BOB), CHATS, of_chat("Bob"), of_person("+15550004444"), "test://other"]
    async with (
        Client(create(source, "core"), mode="auto") as client,
        client.listen(resource_subscriptions=asked, prompts_list_changed=True) as subscription,
    ):
        honoured = subscription.honored
    assert honoured.resource_subscriptions == [CHATS]
    assert not honoured.prompts_list_changed


@pytest.mark.parametrize(
    "uri", [of_chat(BOB), of_chat("Bob"), of_person(BOB), "whatsapp://media/999999", "test://other"]
)
async def test_what_may_not_be_read_or_never_changes_cannot_be_subscribed_to(
    source: FakeSource, uri: str
) -> None:
    source.policy = ruled(jid=BOB, read="deny")
    async with Client(create(source, "core"), mode="legacy") as client:
        with pytest.raises(MCPError):
            await client.subscribe_resource(uri)


async def test_a_client_that_unsubscribes_hears_no_more(source: FakeSource, archive: Archive) -> None:
    async with told(source, "legacy", CHATS, UNREAD) as heard:
        await heard.client.unsubscribe_resource(UNREAD)
        await heard.client.unsubscribe_resource("whatsapp://never")
        await says(archive, 40, BOB)
        await heard.until(lambda events: len(events) > 0)
        await anyio.sleep(2 * QUIET)
    assert heard.events == [CHATS]


async def test_so_many_clients_are_told_and_no_more(
    source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "MOST", 1)
    async with told(source, "auto", CHATS) as heard:
        with pytest.raises(MCPError):
            async with heard.client.listen(resource_subscriptions=[CHATS]):
                pass


async def test_one_client_of_the_older_protocol_too_many_is_refused_when_it_subscribes(
    source: FakeSource, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "MOST", 1)
    application = create(source, "core")
    events, heard = anyio.create_memory_object_stream[str](10)

    async def hear(message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            events.send_nowait(message.params.uri)

    async with listening(source, application=application) as http, application.session_manager.run():

        def connect() -> Client:
            streams = streamable_http_client(f"{http.base_url}/mcp", http_client=http)
            return Client(streams, mode="legacy", message_handler=hear)

        with events, heard:
            async with connect() as other, connect() as first:
                await first.subscribe_resource(CHATS)
                with pytest.raises(MCPError, match="at most 1"):
                    await other.subscribe_resource(CHATS)
                await says(archive, 40, BOB)
                with anyio.fail_after(LIMIT):
                    assert await heard.receive() == CHATS
            async with connect() as later:
                await later.subscribe_resource(CHATS)


async def test_what_waits_for_a_client_that_does_not_read_is_no_more_than_it_subscribed_to() -> None:
    subscriber = Subscriber()
    subscriber.add(CHATS, Topic(CHATS))
    told_of = subscriber.events()
    for _ in range(10_000):
        subscriber.tell(ResourceUpdated(CHATS))
    with anyio.fail_after(LIMIT):
        assert await anext(told_of) == ResourceUpdated(CHATS)
        with anyio.move_on_after(2 * QUIET) as waited:
            await anext(told_of)
    assert waited.cancelled_caught
    await told_of.aclose()


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize(
    ("template", "parameter", "typed", "expected"),
    [
        (of_chat("{jid}"), "jid", "Boat", [CLUB]),
        (of_chat("{jid}"), "jid", "+1555000444", [BOB]),
        ("whatsapp://contacts/{jid}", "jid", "Bo", [BOB]),
        ("whatsapp://contacts/{jid}", "jid", "no such person", []),
        ("whatsapp://media/{ref}", "ref", "1", []),
        ("test://other/{id}", "id", "1", []),
    ],
)
async def test_parameters_are_completed_with_addresses(
    source: FakeSource, mode: Mode, template: str, parameter: str, typed: str, expected: list[str]
) -> None:
    from mcp.types import ResourceTemplateReference

    async with Client(create(source, "core"), mode=mode) as client:
        reference = ResourceTemplateReference(uri=template)
        found = await client.complete(reference, {"name": parameter, "value": typed})
    assert found.completion.values == expected


async def test_nobody_completes_what_may_not_be_read(source: FakeSource) -> None:
    from mcp.types import ResourceTemplateReference

    source.policy = ruled(jid=CLUB, read="deny")
    async with Client(create(source, "core")) as client:
        reference = ResourceTemplateReference(uri=of_chat("{jid}"))
        for typed in ("Boat", ""):
            found = await client.complete(reference, {"name": "jid", "value": typed})
            assert CLUB not in found.completion.values
