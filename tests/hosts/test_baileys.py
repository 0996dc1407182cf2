"""Two independent libraries talk: neonize, through our tools, and Baileys."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.fixtures import call, link, mcp_client, until
from tests.hosts.baileys import Baileys, baileys
from tests.media.footage import RED, png, video
from tests.server.test_file_tools import read, sound
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.groups import Group
from whatsapp_simulator.phone import Phone

pytestmark = [pytest.mark.anyio, pytest.mark.hosts]

READ = (4, "READ")
"""The status of a message that was read: a number in an update, a name in a message."""
PNG = png(32, 16, RED)
GROUP = "Boat club"


@dataclass
class Talk:
    """A client of our server, and Baileys: `bea` is the account of Baileys, `group` holds both accounts."""

    client: Client
    baileys: Baileys
    me: Phone
    bea: Phone
    group: Group

    async def tool(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What our tool answers."""
        return await call(self.client, tool, **arguments)

    async def to_bea(self, tool: str, **arguments: Any) -> str:
        """Send something to Bea with our tool: the message's id."""
        return (await self.tool(tool, chat=self.bea.number, **arguments))["message_id"]

    async def to_me(self, **content: Any) -> str:
        """Send something to us with Baileys: the message's id."""
        return await self.baileys.sends(str(self.me.lid), **content)

    async def told_me(self, **content: Any) -> tuple[str, Mapping[str, Any]]:
        """The same, once it is archived: its id, and how our server tells it."""
        message_id = await self.to_me(**content)
        return message_id, await self.archived(message_id)

    async def key(self, message_id: str) -> dict[str, Any]:
        """How Baileys names a message that it refers to."""
        return (await self.baileys.message(message_id))["key"]

    async def archived(
        self, message_id: str, fits: Callable[[Mapping[str, Any]], bool] = lambda _: True
    ) -> Mapping[str, Any]:
        """A message as our server tells it, once it is there and fits."""

        def found(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
            return [each for each in page["messages"] if each["message_id"] == message_id and fits(each)]

        page = await until(
            self.client, lambda page: bool(found(page)), "list_messages", detail="full", limit=100
        )
        return found(page)[0]


async def by_qr(other: Baileys, phone: Phone) -> None:
    """Link Baileys to an account by the QR that it shows."""
    await phone.scan(await other.qr())


async def by_code(other: Baileys, phone: Phone) -> None:
    """Link Baileys to an account by a pairing code."""
    await other.qr()
    code = await other.call("sock.requestPairingCode(given.number)", number=phone.pn.user)
    await phone.enter_code(f"{code[:4]}-{code[4:]}")


@asynccontextmanager
async def talking(
    folder: Path,
    whatsapp: WhatsApp,
    bea: Phone,
    linked: Callable[[Baileys, Phone], Awaitable[None]] = by_qr,
) -> AsyncIterator[Talk]:
    """Our server linked to the first account, Baileys to Bea's; nobody has a complaint in the end."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text('[policy]\nmode = "open"\n[server]\ntoolsets = "all"\n')
    group = whatsapp.group(GROUP, [bea])
    async with mcp_client(whatsapp, home) as client, baileys(whatsapp, folder / "baileys") as other:
        await link(client, whatsapp)
        await linked(other, bea)
        await other.opened()
        await bea.hand_over()
        await other.event("creds.update", lambda update: "myAppStateKeyId" in update)
        await other.call("sock.updateProfileName('Bea Baker')")
        await other.call("sock.sendPresenceUpdate('available')")
        yield Talk(client, other, whatsapp.me, bea, group)
    assert not whatsapp.log


@pytest.fixture(scope="module")
async def talk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Talk]:
    """Both libraries, each with an account of its own."""
    async with WhatsApp(seed=31) as whatsapp:
        whatsapp.account("+15550001111", "Me")
        bea = whatsapp.account("+4915550002222", "Bea")
        async with talking(tmp_path_factory.mktemp("talk"), whatsapp, bea) as both:
            yield both


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message as Baileys tells it."""
    return message.get("conversation") or message["extendedTextMessage"]["text"]


async def test_texts(talk: Talk) -> None:
    sent = await talk.to_bea("send_message", text="Are you coming?")
    assert text_of((await talk.baileys.message(sent))["message"]) == "Are you coming?"

    _, told = await talk.told_me(text="On my way")
    assert (told["chat_name"], told["text"]) == ("Bea Baker", "On my way")


async def test_replies(talk: Talk) -> None:
    asked, _ = await talk.told_me(text="Pizza?")
    answer = await talk.to_bea("send_message", text="Yes", reply_to=asked)
    context = (await talk.baileys.message(answer))["message"]["extendedTextMessage"]["contextInfo"]
    assert (context["stanzaId"], text_of(context["quotedMessage"])) == (asked, "Pizza?")

    reply = "sock.sendMessage(given.to, {text: 'Good'}, {quoted: messages.get(given.id)})"
    got = (await talk.baileys.call(reply, to=str(talk.me.lid), id=answer))["key"]["id"]
    quote = (await talk.archived(got))["reply_to"]
    assert (quote["message_id"], quote["text"]) == (answer, "Yes")


async def test_texts_and_mentions_in_a_group(talk: Talk) -> None:
    group, bea = str(talk.group.jid), str(talk.bea.lid)
    sent = (await talk.tool("send_message", chat=GROUP, text="Ahoy @Bea", mentions=[talk.bea.number]))[
        "message_id"
    ]
    got = await talk.baileys.message(sent)
    assert got["key"]["remoteJid"] == group
    assert got["message"]["extendedTextMessage"]["contextInfo"]["mentionedJid"] == [bea]

    said = await talk.baileys.sends(group, text=f"@{talk.me.lid.user} ahoy", mentions=[str(talk.me.lid)])
    told = await talk.archived(said)
    assert (told["chat_name"], told["text"], told["mentions_me"]) == (GROUP, "@me ahoy", True)


async def test_reactions(talk: Talk) -> None:
    got, _ = await talk.told_me(text="I won")
    for emoji in ("👍", ""):
        await talk.tool("react", message=got, emoji=emoji)
        await talk.baileys.event("messages.reaction", reacted(got, emoji))

    sent = await talk.to_bea("send_message", text="Well done")
    await talk.to_me(react={"text": "❤️", "key": await talk.key(sent)})
    told = await talk.archived(sent, lambda message: "reactions" in message)
    assert [reaction["emoji"] for reaction in told["reactions"]] == ["❤️"]
    await talk.to_me(react={"text": "", "key": await talk.key(sent)})
    await talk.archived(sent, lambda message: "reactions" not in message)


def reacted(message_id: str, emoji: str) -> Callable[[Any], bool]:
    """Whether an event of Baileys tells of this reaction."""
    return lambda event: (event["key"]["id"], event["reaction"]["text"]) == (message_id, emoji)


async def test_edits(talk: Talk) -> None:
    sent = await talk.to_bea("send_message", text="At eigth")
    await talk.tool("edit_message", message=sent, text="At eight")
    got = await talk.baileys.message(sent, lambda told: "editedMessage" in told["message"])
    assert text_of(got["message"]["editedMessage"]["message"]) == "At eight"

    said, _ = await talk.told_me(text="Se you")
    await talk.to_me(text="See you", edit=await talk.key(said))
    told = await talk.archived(said, lambda message: "edited_at" in message)
    assert (told["text"], told["earlier"]) == ("See you", ["Se you"])


async def test_deletions(talk: Talk) -> None:
    sent = await talk.to_bea("send_message", text="Wrong chat")
    await talk.tool("delete_message", message=sent)
    await talk.baileys.message(sent, lambda told: told["message"] is None)

    said, _ = await talk.told_me(text="Never mind")
    await talk.to_me(delete=await talk.key(said))
    await talk.archived(said, lambda message: "revoked_at" in message)


@dataclass(frozen=True)
class File:
    """A kind of file.

    Attributes:
        kind: As our tools call it.
        part: As messages and Baileys call it, without `Message`.
        options: What Baileys is told of a file besides.
        flags: What tells it from others of this part.
        magic: Bytes at the beginning of what we send.
    """

    kind: str
    part: str
    options: dict[str, Any]
    magic: bytes
    flags: dict[str, Any] = field(default_factory=dict[str, Any])

    def content(self, folder: Path) -> bytes:
        """A small file of that kind."""
        if self.part == "video":
            video(folder / "clip.mp4", 2)
            return (folder / "clip.mp4").read_bytes()
        return {"audio": sound(), "document": b"%PDF-1.4"}.get(self.part, PNG)


NO_THUMBNAIL = {"jpegThumbnail": ""}
"""Keeps Baileys from making one: it would want a library of images."""
FILES = [
    File("image", "image", {"mimetype": "image/png", **NO_THUMBNAIL}, b"\xff\xd8"),
    File("video", "video", {"mimetype": "video/mp4", **NO_THUMBNAIL}, b"ftyp"),
    File("gif", "video", {"mimetype": "video/mp4", **NO_THUMBNAIL}, b"ftyp", {"gifPlayback": True}),
    File("audio", "audio", {"mimetype": "audio/wav", "seconds": 1}, b"RIFF"),
    File("voice", "audio", {"mimetype": "audio/ogg; codecs=opus", "seconds": 1}, b"OggS", {"ptt": True}),
    File("document", "document", {"mimetype": "application/pdf", "fileName": "bill.pdf"}, b"%PDF"),
    File("sticker", "sticker", {"mimetype": "image/webp"}, b"RIFF"),
]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.kind)
async def test_files(talk: Talk, file: File, tmp_path: Path) -> None:
    content = file.content(tmp_path)
    named = {"file_name": "bill.pdf"} if file.kind == "document" else {}
    encoded = base64.b64encode(content).decode()
    sent = await talk.to_bea("send_file", kind=file.kind, data=encoded, **named)
    part = (await talk.baileys.message(sent))["message"][f"{file.part}Message"]
    assert file.flags.items() <= part.items()
    assert file.magic in (await talk.baileys.download(sent))[:8]

    got, told = await talk.told_me(**{file.part: content}, **file.options, **file.flags)
    assert (told["kind"], told["media"]["size"]) == (file.kind, len(content))
    fetched = await talk.tool("download_media", message=got)
    assert read(fetched["path"]) == content


async def test_video_notes(talk: Talk, tmp_path: Path) -> None:
    clip = FILES[1].content(tmp_path)
    _, told = await talk.told_me(video=clip, ptv=True, mimetype="video/mp4", **NO_THUMBNAIL)
    assert (told["kind"], told["details"]) == ("video", {"round": True})


async def test_images_that_are_seen_once(talk: Talk) -> None:
    sent = await talk.to_bea("send_file", data=base64.b64encode(PNG).decode(), view_once=True)
    got = (await talk.baileys.message(sent))["message"]
    assert got["viewOnceMessage"]["message"]["imageMessage"]["viewOnce"]
    assert (await talk.baileys.download(sent))[:2] == b"\xff\xd8"

    _, told = await talk.told_me(image=PNG, mimetype="image/png", viewOnce=True, **NO_THUMBNAIL)
    assert told["media"]["view_once"]


async def test_contacts(talk: Talk) -> None:
    sent = await talk.to_bea("send_contact", contact="+15550009999", name="Zoe")
    got = (await talk.baileys.message(sent))["message"]["contactMessage"]
    assert got["displayName"] == "Zoe"
    assert "waid=15550009999" in got["vcard"]

    cards = [{"displayName": name, "vcard": got["vcard"].replace("Zoe", name)} for name in ("Yan", "Zoe")]
    _, told = await talk.told_me(contacts={"displayName": "2 contacts", "contacts": cards})
    assert [(each["name"], each["numbers"]) for each in told["details"]["contacts"]] == [
        ("Yan", ["+15550009999"]),
        ("Zoe", ["+15550009999"]),
    ]


async def test_places(talk: Talk) -> None:
    sent = await talk.to_bea("send_location", latitude=52.5, longitude=13.4, name="Oven")
    got = (await talk.baileys.message(sent))["message"]["locationMessage"]
    assert (got["degreesLatitude"], got["degreesLongitude"], got["name"]) == (52.5, 13.4, "Oven")

    place = {"degreesLatitude": 48.2, "degreesLongitude": 16.4, "name": "Park"}
    _, told = await talk.told_me(location=place)
    assert (told["kind"], told["text"]) == ("location", "Park")
    assert told["details"] == {"latitude": 48.2, "longitude": 16.4}

    live = {"liveLocationMessage": {"degreesLatitude": 48.0, "degreesLongitude": 16.0, "sequenceNumber": 1}}
    relay = "sock.relayMessage(given.to, given.message, {})"
    said = await talk.baileys.call(relay, to=str(talk.me.lid), message=live)
    assert (await talk.archived(said))["kind"] == "live_location"


async def test_polls_and_votes(talk: Talk) -> None:
    poll = await talk.to_bea("send_poll", question="Which?", options=["Funghi", "Diavola"])
    await talk.baileys.message(poll)
    await talk.baileys.call("vote(messages.get(given.id), ['Diavola'])", id=poll)

    def counted(answer: Mapping[str, Any]) -> bool:
        return [option["votes"] for option in answer["options"]] == [0, 1]

    await until(talk.client, counted, "get_poll_results", message=poll)

    asked, _ = await talk.told_me(poll={"name": "When?", "values": ["Now", "Later"], "selectableCount": 1})
    vote = (await talk.tool("vote_poll", message=asked, options=["Later"]))["message_id"]
    await talk.baileys.message(vote)
    creator, voter = str(talk.bea.lid), str(talk.me.lid)
    choices = await talk.baileys.call(
        "choices(given.poll, given.vote, given.creator, given.voter)",
        poll=asked,
        vote=vote,
        creator=creator,
        voter=voter,
    )
    assert choices == ["Later"]


async def test_receipts(talk: Talk) -> None:
    sent = await talk.to_bea("send_message", text="Got it?")
    await until(talk.client, lambda answer: answer["status"] == "delivered", "message_status", message=sent)
    await talk.baileys.call("sock.readMessages([given.key])", key=await talk.key(sent))
    await until(talk.client, lambda answer: answer["status"] == "read", "message_status", message=sent)

    said, _ = await talk.told_me(text="Read this")
    await talk.tool("mark_read", chat=talk.bea.number)
    await talk.baileys.message(said, lambda told: told.get("status") in READ)


async def test_typing(talk: Talk) -> None:
    me = str(talk.me.lid)
    for state in ("composing", "recording", "paused"):
        await talk.tool("send_typing", chat=talk.bea.number, state=state)
        seen = {"composing": "composing", "recording": "recording", "paused": "available"}[state]
        await talk.baileys.event(
            "presence.update", lambda event, seen=seen: event["presences"][me]["lastKnownPresence"] == seen
        )


async def test_pins(talk: Talk) -> None:
    said, _ = await talk.told_me(text="Pin me")
    pin = (await talk.tool("pin_message", message=said))["message_id"]
    pinned = (await talk.baileys.message(pin))["message"]["pinInChatMessage"]
    assert (pinned["key"]["id"], pinned["type"]) == (said, "PIN_FOR_ALL")

    _, told = await talk.told_me(pin=await talk.key(said), type=1)
    assert (told["kind"], told["reply_to"]["message_id"]) == ("system", said)


async def test_forwards(talk: Talk) -> None:
    said, _ = await talk.told_me(text="Pass it on")
    sent = await talk.to_bea("forward_message", message=said)
    got = (await talk.baileys.message(sent))["message"]["extendedTextMessage"]
    assert (got["text"], got["contextInfo"]["isForwarded"]) == ("Pass it on", True)

    forward = "sock.sendMessage(given.to, {forward: messages.get(given.id), force: true})"
    back = (await talk.baileys.call(forward, to=str(talk.me.lid), id=sent))["key"]["id"]
    assert (await talk.archived(back))["forwarded"]


async def test_statuses(talk: Talk) -> None:
    await talk.me.hand_over()
    talk.me.app_state.name_contact(talk.bea, "Bea Baker")  # a status goes to contacts
    await until(
        talk.client,
        lambda page: "saved_name" in page["contacts"][0],
        "search_contacts",
        query=talk.bea.number,
    )
    posted = (await talk.tool("post_status", text="At sea"))["message_id"]
    got = await talk.baileys.message(posted)
    assert (got["key"]["remoteJid"], text_of(got["message"])) == ("status@broadcast", "At sea")

    post = "sock.sendMessage('status@broadcast', {text: 'Ashore'}, {statusJidList: [given.to]})"
    said = (await talk.baileys.call(post, to=str(talk.me.lid)))["key"]["id"]
    told = await talk.archived(said)
    assert (told["chat"], told["sender_name"], told["text"]) == ("status@broadcast", "Bea Baker", "Ashore")


async def test_groups_are_made_and_renamed(talk: Talk) -> None:
    made = await talk.tool("create_group", name="Rowers", members=[talk.bea.number])
    created = await talk.baileys.event("groups.upsert", lambda group: group["id"] == made["jid"])
    assert created["subject"] == "Rowers"

    await talk.tool("update_group", chat=made["jid"], name="Oars")
    await talk.baileys.event("groups.update", lambda group: group.get("subject") == "Oars")

    create = "sock.groupCreate('Paddlers', [given.member])"
    theirs = (await talk.baileys.call(create, member=str(talk.me.pn)))["id"]

    def there(page: Mapping[str, Any]) -> bool:
        return (theirs, "Paddlers") in [(chat["jid"], chat["name"]) for chat in page["chats"]]

    await until(talk.client, there, "list_chats", kind="group")


async def test_events(talk: Talk) -> None:
    invite = (
        "sock.sendMessage(given.to, {event: {name: 'Regatta', startDate: new Date('2033-05-18T03:33Z')}})"
    )
    said = (await talk.baileys.call(invite, to=str(talk.me.lid)))["key"]["id"]
    told = await talk.archived(said)
    assert (told["kind"], told["text"]) == ("event", "Regatta")
    assert told["details"]["starts_at"].startswith("2033-05-18T")


async def test_both_libraries_linked_to_one_account_the_other_by_code(tmp_path: Path) -> None:
    async with WhatsApp(seed=37) as whatsapp:
        me, ann = whatsapp.me, whatsapp.person("Ann")
        async with talking(tmp_path, whatsapp, me, by_code) as talk:
            said = await ann.says("Ahoy")
            assert text_of((await talk.baileys.message(said))["message"]) == "Ahoy"
            assert (await talk.archived(said))["text"] == "Ahoy"

            by_baileys = await talk.baileys.sends(str(ann.lid), text="By Baileys")
            assert (await ann.receives()).text == "By Baileys"
            assert (await talk.archived(by_baileys))["from_me"]

            by_us = (await talk.tool("send_message", chat=ann.number, text="By us"))["message_id"]
            assert (await ann.receives()).text == "By us"
            assert (await talk.key(by_us))["fromMe"]

            await talk.baileys.call("sock.readMessages([given.key])", key=await talk.key(said))
            await until(
                talk.client, lambda answer: answer["chats"][0]["unread"] == 0, "list_chats", query="Ann"
            )

            note = await talk.to_bea("send_message", text="Note to self")
            assert text_of((await talk.baileys.message(note))["message"]) == "Note to self"
            _, told = await talk.told_me(text="Another note")
            assert told["from_me"]
