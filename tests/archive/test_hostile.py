"""What a stranger may put on the wire: none of it harms what others said, or stops the archive."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.archive import events as ev
from tests.archive.events import ANA, GROUP, NOON, Raw, journal
from tests.archive.world import sealed, text
from tests.tables import for_each
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.models import Chat, Message
from whatsapp_mcp.protobufs import E2E, LidMigration, Neonize

pytestmark = pytest.mark.anyio

MARK = "ABCDE"
NOT_UTF8 = b"\xff\xfe\xed\xa0\x80"
"""As long as the mark, so that the lengths in a protobuf stay true."""
REPLACED = "�" * 5


def garbled(event: Raw) -> Raw:
    """The event with bytes that are no UTF-8 in place of the mark."""
    return Raw(event.code, event.payload.replace(MARK.encode(), NOT_UTF8))


def document(**fields: str) -> Any:
    body: Any = E2E.Message()
    body.documentMessage.mediaKey = b"k" * 32
    for name, value in fields.items():
        setattr(body.documentMessage, name, value)
    return body


def poll() -> Any:
    body: Any = E2E.Message()
    body.pollCreationMessage.name = "Which?"
    body.pollCreationMessage.options.add(optionName=MARK)
    return body


def mention() -> Any:
    body = text("@ABCDE")
    body.extendedTextMessage.contextInfo.mentionedJID.append(f"{MARK}@lid")
    body.extendedTextMessage.contextInfo.stanzaID = MARK
    return body


GARBLED = {
    "text": ev.message("G1", f"caf{MARK}"),
    "name": ev.message("G1", name=MARK),
    "id": ev.message(MARK),
    "sender": ev.message("G1", chat=GROUP, sender=f"{MARK}@lid"),
    "mentions and quote": ev.message("G1", mention()),
    "kind of file": ev.message("G1", document(mimetype=MARK)),
    "name of file": ev.message("G1", document(fileName=MARK)),
    "place of file": ev.message("G1", document(directPath=MARK, URL=MARK)),
    "caption": ev.message("G1", document(caption=MARK)),
    "options": ev.message("G1", poll()),
    "emoji": ev.reaction("A1", MARK),
    "edit": ev.edit("A1", MARK),
    "receipt": ev.receipt(MARK, sender=None, kind="READ_SELF"),
    "past": ev.history(
        ev.conversation([ev.web_message("G1", MARK, chat=GROUP, sender=ANA)], chat=GROUP, name=MARK)
    ),
    "address in the past": ev.history(
        ev.conversation([ev.web_message("G1", chat=GROUP, sender=f"{MARK}@lid")], chat=GROUP)
    ),
}


async def everything_reads(archive: Archive) -> tuple[Message, ...]:
    """All messages, after everything was turned into JSON."""
    messages = (await archive.messages()).items
    TypeAdapter(tuple[Message, ...]).dump_json(messages)
    TypeAdapter(tuple[Chat, ...]).dump_json((await archive.chats()).items)
    await archive.changes(0)
    await archive.search("hi")
    await archive.search("hi", mode="substring")
    return messages


@for_each("where", GARBLED, archive="archives")
async def test_text_that_is_no_utf8_is_read_as_far_as_it_goes(archive: Archive, where: str) -> None:
    result = await archive.ingest(journal([ev.message("A1", at=NOON - 1), garbled(GARBLED[where])]))
    assert result.undecoded == 0
    messages = await everything_reads(archive)
    assert messages[-1].message_id == "A1"
    if where == "text":
        assert messages[0].text == f"caf{REPLACED}"
    assert await archive.check() == ()


@pytest.mark.parametrize("ill", ["no UTF-8", "too deep", "no protobuf"])
async def test_a_sealed_edit_that_cannot_be_read_stops_nothing(archive: Archive, ill: str) -> None:
    plain: Any = E2E.Message()
    plain.protocolMessage.type, plain.protocolMessage.key.ID = 14, "S1"
    plain.protocolMessage.editedMessage.conversation = MARK
    if ill == "too deep":
        for _ in range(20):
            wrapped: Any = E2E.Message()
            wrapped.ephemeralMessage.message.CopyFrom(plain)
            plain = wrapped
    said = plain.SerializeToString().replace(MARK.encode(), NOT_UTF8)
    body: Any = E2E.Message()
    part = body.secretEncryptedMessage
    part.targetMessageKey.ID, part.secretEncType = "S1", 2
    content = b"\xff" * 9 if ill == "no protobuf" else said
    part.encPayload, part.encIV = sealed(_Bytes(content), "S1", ANA, ANA, "Message Edit")
    await archive.ingest(journal([ev.message("S1", text("hello", secret=True)), ev.message("SE", body)]))
    await archive.ingest(journal([ev.message("A2", at=NOON + 9)], after=2))
    later, edited = await everything_reads(archive)
    assert later.message_id == "A2"
    assert edited.text == (REPLACED if ill == "no UTF-8" else "hello")


def mapping(pn: str, lid: str) -> Any:
    """What a phone tells its own devices of the hidden jids of its contacts."""
    pair = LidMigration.LIDMigrationMapping(
        pn=int(pn.partition("@")[0]), assignedLid=int(lid.partition("@")[0])
    )
    told = LidMigration.LIDMigrationMappingSyncPayload(pnToLidMappings=[pair])
    body: Any = E2E.Message()
    body.protocolMessage.type = 22
    body.protocolMessage.lidMigrationMappingSyncMessage.encodedMappingPayload = told.SerializeToString()
    return body


@pytest.mark.parametrize("who", ["owner", "stranger"])
async def test_only_the_own_phone_says_who_is_who(archive: Archive, who: str) -> None:
    body = mapping(ANA, "66666@lid")
    await archive.ingest(
        journal(
            [
                ev.message("A1", "hello", name="Ana"),
                ev.message("M1", body, chat="66666@lid", sender=None if who == "owner" else "66666@lid"),
                ev.message("E1", "I am Ana", chat="66666@lid", at=NOON + 1),
            ]
        )
    )
    names = {message.message_id: message.sender_name for message in (await archive.messages()).items}
    assert (names["E1"] == "Ana") is (who == "owner")


@pytest.mark.parametrize("as_admin", [False, True])
async def test_only_an_admin_deletes_what_another_wrote_in_a_group(archive: Archive, as_admin: bool) -> None:
    deletion = ev.revoke("A1", of=ANA, chat=GROUP, sender="66666@lid")
    if not as_admin:
        told = Neonize.Message.FromString(deletion.payload)
        told.Info.Edit = "7"
        deletion = Raw(deletion.code, told.SerializeToString())
    await archive.ingest(journal([ev.message("A1", "stay", chat=GROUP, sender=ANA), deletion]))
    assert (await archive.message("A1")).text == ("" if as_admin else "stay")


class _Bytes:
    """Bytes that are sealed as they are."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def SerializeToString(self) -> bytes:  # noqa: N802
        return self._content
