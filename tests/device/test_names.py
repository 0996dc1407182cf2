"""Names that WhatsApp tells only when asked."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest

from tests.archive.fake_writes import FakeWrites
from tests.device.conftest import Leader
from tests.device.fake_clock import FakeClock
from tests.devices import direct
from whatsapp_mcp import protobufs
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.name_lookups import AFTER_LOGIN, REFRESH, Names
from whatsapp_mcp.device.operations import control
from whatsapp_mcp.errors import NotConnected, Rejected
from whatsapp_mcp.models import Chat, ConnectionState, ContactUpdate, GroupUpdate, Page
from whatsapp_mcp.processes.rpc import Params
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


def address(user: str, server: str) -> Any:
    return protobufs.Neonize.JID(User=user, Server=server, RawAgent=0, Device=0, Integrator=0, IsEmpty=False)


def encoded(message: Any) -> str:
    return base64.b64encode(message.SerializePartialToString()).decode()


BOAT = protobufs.Neonize.GroupInfo(
    JID=address("1203", "g.us"),
    GroupName=protobufs.Neonize.GroupName(Name="Boat"),
    Participants=[
        protobufs.Neonize.GroupParticipant(
            JID=address("77", "lid"), PhoneNumber=address("491", "s.whatsapp.net"), IsAdmin=True
        )
    ],
)
ANN = protobufs.Neonize.Contact(
    JID=address("491", "s.whatsapp.net"),
    Info=protobufs.Neonize.ContactInfo(FullName="Ann Byrne", PushName="ann"),
)


NEWS = protobufs.Neonize.NewsletterMetadata(
    ID=address("1204", "newsletter"),
    ThreadMeta=protobufs.Neonize.NewsletterThreadMetadata(
        Name=protobufs.Neonize.NewsletterText(Text="Harbour news"),
    ),
)


class Recorder(FakeWrites):
    """An archive that keeps the names it is given, and a client that tells them."""

    def __init__(self) -> None:
        self.groups: list[GroupUpdate] = []
        self.channels: dict[str, str] = {}
        self.refuses_channels = False
        self.contacts: list[ContactUpdate] = []
        self.rounds = 0
        self.fails = False
        self.round_done = anyio.Event()

    async def record_groups(self, groups: Sequence[GroupUpdate]) -> None:
        self.groups.extend(groups)

    async def record_contacts(self, contacts: Sequence[ContactUpdate]) -> None:
        self.contacts.extend(contacts)
        self.ended()

    async def record_channels(self, names: Mapping[str, str]) -> None:
        self.channels.update(names)

    async def chats(self, limit: int) -> Page[Chat]:
        return Page(())

    async def call(self, method: str, params: Params) -> list[str]:
        if self.fails:
            self.ended()
            raise NotConnected("The link is down.")
        if method == "get_subscribed_newsletters" and self.refuses_channels:
            raise Rejected("WhatsApp refused it (500).")
        return {
            "get_joined_groups": [encoded(BOAT)],
            "get_subscribed_newsletters": [encoded(NEWS)],
            "get_all_contacts": [encoded(ANN)],
        }[method]

    def ended(self) -> None:
        self.rounds += 1
        done, self.round_done = self.round_done, anyio.Event()
        done.set()


def names(recorder: Recorder, clock: FakeClock, *, online: Callable[[], bool] = lambda: True) -> Names:
    return Names(cast("Archive", recorder), recorder.call, clock, online=online)


async def test_after_a_login_groups_and_contacts_get_their_names() -> None:
    recorder, clock = Recorder(), FakeClock()
    subject = names(recorder, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(subject.run)
        subject.wake()
        with anyio.fail_after(30):
            await recorder.round_done.wait()
        tasks.cancel_scope.cancel()
    assert recorder.groups == [
        GroupUpdate("1203@g.us", "Boat", (("77@lid", "491@s.whatsapp.net", True, False),), 0)
    ]
    assert recorder.contacts == [ContactUpdate("491@s.whatsapp.net", "Ann Byrne", "ann", None)]


@pytest.mark.parametrize("refused", [False, True])
async def test_channels_get_their_names_and_keep_nobody_elses_back(refused: bool) -> None:
    recorder, clock = Recorder(), FakeClock()
    recorder.refuses_channels = refused
    subject = names(recorder, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(subject.run)
        subject.wake()
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert recorder.channels == ({} if refused else {"1204@newsletter": "Harbour news"})
    assert (len(recorder.groups), recorder.rounds) == (1, 1)


async def test_they_are_asked_for_again_every_hour() -> None:
    recorder, clock = Recorder(), FakeClock()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(names(recorder, clock).run)
        await anyio.wait_all_tasks_blocked()
        for _ in range(3):
            await clock.advance(REFRESH + 1)
            await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert len(recorder.groups) == 3


async def test_nobody_is_asked_while_the_link_is_down_but_soon_after() -> None:
    recorder, clock = Recorder(), FakeClock()
    is_up = False
    subject = names(recorder, clock, online=lambda: is_up)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(subject.run)
        subject.wake()
        await anyio.wait_all_tasks_blocked()
        assert recorder.rounds == 0
        is_up = True
        await clock.advance(60)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert recorder.contacts


async def test_a_failed_question_is_asked_again_soon() -> None:
    recorder, clock = Recorder(), FakeClock()
    recorder.fails = True
    subject = names(recorder, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(subject.run)
        subject.wake()
        await anyio.wait_all_tasks_blocked()
        recorder.fails = False
        await clock.advance(60)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert recorder.rounds > 1
    assert recorder.contacts


async def test_the_address_book_that_a_phone_hands_over_after_linking_is_soon_known() -> None:
    recorder, clock = Recorder(), FakeClock()
    subject = names(recorder, clock)
    soon: list[ContactUpdate] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(subject.run)
        subject.wake()
        await anyio.wait_all_tasks_blocked()
        recorder.contacts.clear()
        await clock.advance(10)
        await anyio.wait_all_tasks_blocked()
        soon.extend(recorder.contacts)
        await clock.advance(REFRESH - 11)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert soon == [ContactUpdate("491@s.whatsapp.net", "Ann Byrne", "ann", None)]
    assert recorder.rounds == 1 + len(AFTER_LOGIN)
    assert len(recorder.groups) == 1


@asynccontextmanager
async def looking() -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    """A pause between two looks at the archive, which tells nobody; at most thirty seconds of them."""
    with anyio.fail_after(30):
        yield lambda: anyio.sleep(0.05)


async def test_a_group_of_the_account_is_known_by_its_name(wa: WhatsApp, leader: Leader) -> None:
    ann = wa.person("Ann")
    boat = wa.group("Boat", [ann])
    shown = await direct(leader.device).do(control.link)
    assert shown.qr is not None
    await wa.me.scan(shown.qr.text)
    await leader.until(ConnectionState.ONLINE)
    async with looking() as look:
        while not await leader.archive.members(str(boat.jid)):
            await look()
    await ann.says("hi", boat)
    async with looking() as look:
        while not (page := await leader.archive.chats()).items:
            await look()
    assert [chat.name for chat in page.items] == ["Boat"]


async def told_library(leader: Leader, wa: WhatsApp, chat: str, *, shelved: bool) -> None:
    """Return once the library has stored both, archived and muted: they are two patches of the phone."""
    await wa.me.app_state.synced()
    async with looking() as look:
        while True:
            answer = base64.b64decode(await leader.device.call("get_chat_settings", {"chat": chat}))
            stored = protobufs.Neonize.LocalChatSettings.FromString(answer)
            if stored.Archived is shelved and (stored.MutedUntil > 0) is shelved:
                return
            await look()


async def test_how_the_phone_lists_a_chat_is_known_after_the_next_login(wa: WhatsApp, linked: Leader) -> None:
    ann = wa.person("Ann")
    await ann.says("hi")
    state = wa.me.app_state
    state.mute(ann, int(wa.network.now()) + 3600)
    state.archive(ann)
    state.name_contact(ann, "Ann")  # a client that waits for names of the address book takes its time to end
    state.share_key()
    async with looking() as look:
        while not (await linked.archive.chats()).items:
            await look()
    await told_library(linked, wa, str(ann.lid), shelved=True)
    await direct(linked.device).do(control.reconnect)
    await linked.until(ConnectionState.ONLINE)
    async with looking() as look:
        while not (chat := (await linked.archive.chats()).items[0]).archived:
            await look()
    assert chat.muted_until is not None
    assert abs(chat.muted_until.timestamp() - wa.network.now() - 3600) < 60
    state.mute(ann, None)
    state.archive(ann, archived=False)
    await told_library(linked, wa, str(ann.lid), shelved=False)
    await direct(linked.device).do(control.reconnect)
    await linked.until(ConnectionState.ONLINE)
    async with looking() as look:
        while (chat := (await linked.archive.chats()).items[0]).archived:
            await look()
    assert chat.muted_until is None
