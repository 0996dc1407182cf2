"""A linked account with one of everything, and for each tool arguments with which it does its work."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
from mcp import Client

from tests.devices import direct
from tests.server.fakes import FakeSource
from tests.server.linked import LIMIT, Linked, linked_account, png
from whatsapp_mcp.archive import recording
from whatsapp_mcp.device.operations import contacts, sends
from whatsapp_mcp.models import (
    ConnectionState,
    ContactUpdate,
    FileReading,
    Passage,
    ReadingKind,
    SendRequest,
    TextContent,
)
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create
from whatsapp_mcp.settings import Settings
from whatsapp_simulator import WhatsApp, kinds
from whatsapp_simulator.people import Person

SECRET = bytes(range(32))


@dataclass
class Everything:
    """The account, clients of its servers, and what is in it: refs of messages and links, each by a word."""

    linked: Linked
    read_only: Client
    refs: dict[str, str] = field(default_factory=dict[str, str])
    links: dict[str, str] = field(default_factory=dict[str, str])
    planned: int = 0
    """The number of a scheduled send."""

    def file(self, name: str, data: bytes, *, size: int | None = None) -> str:
        """The path of a file that may be sent; `size` cuts or fills it up."""
        path = self.linked.media / name
        path.write_bytes(data)
        os.truncate(path, len(data) if size is None else size)
        return str(path)

    def shared(self, name: str, text: str) -> str:
        """The path of a file in a folder that the settings allow."""
        path = self.linked.shared / name
        path.write_text(text)
        return str(path)

    @property
    def huge(self) -> str:
        """The path of a file that is larger than what may be sent."""
        limit = Settings(home=self.linked.home).media.max_megabytes
        return self.file("huge.bin", b"", size=(limit + 1) << 20)

    @property
    def wa(self) -> WhatsApp:
        return self.linked.wa

    def good(self, tool: str) -> dict[str, Any]:
        """Arguments with which this tool does its work."""
        arguments = GOOD[tool]
        return dict(arguments(self) if callable(arguments) else arguments)

    async def settled(self) -> str:
        """What WhatsApp has seen, once it has handled all that was sent: it answers in order."""
        await direct(self.linked.device).do(contacts.resolve_number, "+15559999999")
        return self.seen()

    async def online_after(self, generation: int) -> None:
        """Return once a client later than this one is online."""
        online = ConnectionState.ONLINE
        with anyio.fail_after(LIMIT):
            await self.linked.device.wait_for(lambda now: now.state is online and now.generation > generation)

    def seen(self) -> str:
        """All that WhatsApp has seen of the account, deliveries apart, in one text to compare."""
        wa, me = self.wa, self.wa.me
        people = [
            (
                each.number,
                [got.id for got in each.inbox if got.sender == me.lid],
                [receipt for receipt in each.receipts if receipt.kind in {"read", "played"}],
                each.activities,
                each.ended_calls,
            )
            for each in _users(wa)
        ]
        groups = [
            (each.info(), each.invite_code, each.picture, each.parent) for each in wa.network.groups.values()
        ]
        channels = [
            (each.name, each.followers, [post.reactions for post in each.posts])
            for each in wa.network.channels.values()
        ]
        profile = (me.name, me.about, me.picture, me.privacy, me.blocked)
        available = [each.available for each in me.companions.values()]
        return repr((people, groups, channels, profile, available))


def _users(wa: WhatsApp) -> list[Person]:
    """Everybody but the account, once each."""
    once = {id(user): user for user in wa.network.users.values()}
    return [user for user in once.values() if isinstance(user, Person)]


@asynccontextmanager
async def everything(home: Path) -> AsyncIterator[Everything]:
    """Link, make people, groups and channels, and say something of each kind."""
    async with linked_account(home) as linked:
        watched = FakeSource(
            linked.device,  # pyright: ignore[reportArgumentType]
            linked.archive,
            home,
            Policy.in_mode("read_only"),
            roots=(linked.shared,),
        )
        async with Client(create(watched, "all", structured=True)) as reader:
            world = Everything(linked, reader)
            with anyio.fail_after(LIMIT):
                await _people(world)
                await _groups(world)
                await _messages(world)
                await _name(world)
            yield world


async def _people(world: Everything) -> None:
    people = [world.wa.person(name) for name in ("Dora Dee", "Dora Doe", "Eve", "Mallory")]
    await world.linked.archive.write(
        recording.record_contacts, [ContactUpdate(str(each.pn), saved_name=each.name) for each in people]
    )
    world.wa.me.blocked[people[-1].lid] = None
    for name in ("Weather north", "Weather south", "Tides", "Old news"):
        world.wa.channel(name).followers[world.wa.me.lid] = "subscriber"
    tides = next(each for each in world.wa.network.channels.values() if each.name == "Tides")
    tides.post("High at nine")
    world.links["news"] = f"https://whatsapp.com/channel/{world.wa.channel('News').invite_code}"


async def _groups(world: Everything) -> None:
    ann, ben = world.linked.ann, world.linked.ben
    for name in ("Rowers", "Boat one", "Boat two", "Short"):
        world.wa.group(name, [ann, ben])
    village = world.wa.community("Village", [ann])
    market = world.wa.group("Market", [ann])
    market.parent = village.jid
    book = world.wa.group("Book club", [ann], founder=ann)
    book.remove(world.wa.me)
    world.links["book club"] = f"https://chat.whatsapp.com/{book.invite_code}"
    for each in world.wa.network.groups.values():
        await world.linked.client.call_tool("get_group", {"chat": str(each.jid)})


async def _name(world: Everything) -> None:
    """The library can show presence once the phone has handed over the account's name."""
    world.wa.me.app_state.set_push_name("Me")
    world.wa.me.app_state.name_contact(world.linked.ann, "Ann")
    world.wa.me.app_state.share_key()
    offline = {"available": False}
    while (await world.linked.client.call_tool("set_presence", offline)).is_error:  # noqa: ASYNC110
        await anyio.sleep(0.05)


async def _messages(world: Everything) -> None:
    wa, ann = world.wa, world.linked.ann
    rowers = next(each for each in wa.network.groups.values() if each.name == "Rowers")
    said = {
        "text": await ann.says("hello from Ann"),
        "poll": await ann.says(kinds.poll("When?", ["Sat", "Sun"], SECRET)),
        "image": await ann.says(wa.media.attach("image", png(8, 8), caption="Look")),
        "letter": await ann.says(
            wa.media.attach("document", b"Dear tenant", fileName="letter.txt", mimetype="text/plain")
        ),
        "too large": await ann.says(wa.media.attach("document", b"x", fileLength=10**9)),
        "in group": await ann.says("hello group", rowers),
        "mine": await wa.me.says(ann, "from the phone"),
        "mine in group": await wa.me.says(rowers, "from the phone to all"),
        "my place": await wa.me.says(ann, kinds.location(1.5, 2.5, "Jetty")),
        "to edit": await wa.me.says(ann, "tomorow"),
        "to delete": await wa.me.says(ann, "oops"),
        "cleo": await world.linked.cleo.says("bye"),
        "eve": await next(each for each in _users(wa) if each.name == "Eve").says("bye"),
    }
    ann.calls()
    await _planned(world)
    words = {message: word for word, message in said.items()}
    seen = 0
    while not set(words.values()) <= world.refs.keys() or "call" not in world.refs:
        for one in (await world.linked.archive.messages(limit=50)).items:
            word = "call" if one.kind == "call" else words.get(one.message_id)
            if word is not None:
                world.refs[word] = f"#{one.ref}"
        seen = await world.linked.archive.wait_change(seen, 0.5)
    words_of_letter = FileReading(ReadingKind.DOCUMENT, (Passage("Dear tenant"),), "pypdf")
    await world.linked.archive.write(
        recording.record_reading, int(world.refs["letter"].removeprefix("#")), words_of_letter
    )


async def _planned(world: Everything) -> None:
    """What is to go out later, and what has just gone out."""
    device, ann = world.linked.device, str(world.linked.ann.pn)
    at = datetime.now(UTC) + timedelta(days=1)
    planned = await direct(device).do(sends.send, SendRequest(ann, TextContent("tomorrow"), at=at))
    world.planned = planned.send_id


Arguments = dict[str, Any] | Callable[[Everything], dict[str, Any]]
"""Of one tool; a function where they hold what exists only then."""


def _of(word: str, **more: Any) -> Callable[[Everything], dict[str, Any]]:
    """Arguments that name the message which this word stands for."""
    return lambda world: {"message": world.refs[word], **more}


PNG = base64.b64encode(png(8, 8)).decode()
GOOD: dict[str, Arguments] = {
    "connection_status": {},
    "link_device": {},
    "reconnect": {},
    "unlink_device": {},
    "list_chats": {},
    "list_messages": {"chat": "Ann"},
    "search_messages": {"query": "hello"},
    "get_message_context": _of("text"),
    "search_contacts": {"query": "Ann"},
    "get_contact": {"contact": "Ann"},
    "send_message": {"chat": "Ann", "text": "hi"},
    "send_file": {"chat": "Ann", "data": PNG},
    "react": _of("text", emoji="👍"),
    "mark_read": {"chat": "Cleo"},
    "download_media": _of("image"),
    "read_file": _of("letter"),
    "message_status": _of("mine"),
    "await_approval": {"approval": "abcdef", "wait": 0},
    "wait_for_messages": {"wait": 0},
    "edit_message": _of("to edit", text="tomorrow"),
    "delete_message": _of("to delete"),
    "forward_message": _of("image", chat="Ben"),
    "send_location": {"chat": "Ann", "latitude": 52.5, "longitude": 13.4},
    "send_contact": {"chat": "Ann", "contact": "Ben"},
    "send_poll": {"chat": "Ann", "question": "When?", "options": ["Sat", "Sun"]},
    "vote_poll": _of("poll", options=["Sat"]),
    "get_poll_results": _of("poll"),
    "pin_message": _of("text"),
    "send_typing": {"chat": "Ann"},
    "update_chat": {"chat": "Ann", "timer": "7d"},
    "delete_chat": {"chat": "Eve"},
    "set_aside": {"chat": "Eve"},
    "digest": {},
    "export_chat": {"chat": "Ann"},
    "get_group": {"chat": "Rowers"},
    "create_group": {"name": "Saturday", "members": ["Ann"]},
    "update_group": {"chat": "Rowers", "topic": "Sundays"},
    "add_group_members": {"chat": "Rowers", "members": ["Cleo"]},
    "remove_group_members": {"chat": "Boat one", "members": ["Ben"]},
    "set_group_admins": {"chat": "Rowers", "members": ["Ann"]},
    "get_group_invite": {"chat": "Rowers"},
    "reset_group_invite": {"chat": "Rowers"},
    "join_group": lambda world: {"link": world.links["book club"]},
    "leave_group": {"chat": "Short"},
    "list_join_requests": {"chat": "Rowers"},
    "add_to_community": {"chat": "Rowers", "community": "Village"},
    "remove_from_community": {"chat": "Market", "community": "Village"},
    "check_numbers": {"numbers": ["+15559999999"]},
    "block_contact": {"contact": "Ben"},
    "unblock_contact": {"contact": "Mallory"},
    "list_blocked": {},
    "save_contact": {"contact": "Eve", "name": "Eve"},
    "is_online": {"contact": "Ann"},
    "update_profile": {"about": "At sea"},
    "privacy_settings": {},
    "update_privacy": {"setting": "last_seen", "value": "none"},
    "set_presence": {"available": True},
    "post_status": {"text": "Ahoy"},
    "list_calls": {},
    "reject_call": _of("call"),
    "list_channels": {},
    "follow_channel": lambda world: {"channel": world.links["news"]},
    "unfollow_channel": {"channel": "Old news"},
    "create_channel": {"name": "Club"},
    "scheduled": {},
    "change_scheduled": lambda world: {"send_id": world.planned, "text": "the day after"},
    "remind_me": {"text": "Buy milk", "at": "2h"},
}
