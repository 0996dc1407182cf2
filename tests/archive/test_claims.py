"""What somebody's message says of others: nothing that it claims counts, but what the owner's phone says."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.dump import dump
from tests.archive.events import ANA, ANA_LID, BOB, GROUP, ME, NOON, NOW, Raw, journal
from tests.archive.test_hostile import mapping
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.decoding import ADDON_FIELDS
from whatsapp_mcp.models import ContactUpdate, MessageFilter
from whatsapp_mcp.protobufs import E2E, HistorySync, Neonize
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

EVE = "66666@lid"
EVES = {EVE, "15550000066@s.whatsapp.net"}


def protocol(kind: int, **fields: Any) -> Any:
    """A protocol message that names what somebody else said."""
    body: Any = E2E.Message()
    told = body.protocolMessage
    told.type = kind
    told.key.ID, told.key.participant, told.key.remoteJID = "A1", ANA, GROUP
    told.editedMessage.conversation = "forged"
    told.ephemeralExpiration = 86400
    told.lidMigrationMappingSyncMessage.encodedMappingPayload = mapping(
        ANA, EVE
    ).protocolMessage.lidMigrationMappingSyncMessage.encodedMappingPayload
    sync = HistorySync.HistorySync(syncType=HistorySync.HistorySync.INITIAL_BOOTSTRAP)
    sync.pushnames.add(ID=ANA, pushname="forged")
    sync.phoneNumberToLidMappings.add(pnJID=ANA, lidJID=EVE)
    told.historySyncNotification.initialHistBootstrapInlinePayload = sync.SerializeToString()
    told.initialSecurityNotificationSettingSync.securityNotificationEnabled = True
    told.memberLabel.label = "admin"
    for name, value in fields.items():
        getattr(told, name).CopyFrom(value)
    return body


def addon(name: str) -> Any:
    """An add-on of each kind to what somebody else said, as far as it names one."""
    body: Any = E2E.Message()
    part = getattr(body, name)
    part.SetInParent()
    for field in part.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.name == "MessageKey":
            key = getattr(part, field.name)
            key.ID, key.participant, key.remoteJID, key.fromMe = "A1", ANA, GROUP, False
    return body


def _card() -> Any:
    body: Any = E2E.Message()
    body.contactMessage.displayName = "Ana the second"
    body.contactMessage.vcard = f"BEGIN:VCARD\nFN:Ana\nTEL;waid=66666:+{ANA.partition('@')[0]}\nEND:VCARD"
    return body


def _invite() -> Any:
    body: Any = E2E.Message()
    body.groupInviteMessage.groupJID, body.groupInviteMessage.groupName = GROUP, "forged"
    return body


def _quote() -> Any:
    body: Any = E2E.Message()
    body.extendedTextMessage.text = "see above"
    context = body.extendedTextMessage.contextInfo
    context.stanzaID, context.participant, context.remoteJID = "A1", ANA, GROUP
    context.quotedMessage.conversation = "forged"
    context.mentionedJID.append(ANA)
    return body


def _as_the_owner() -> Any:
    """What a device of the owner sends to its others, sent by somebody else."""
    body: Any = E2E.Message()
    body.deviceSentMessage.destinationJID = ANA
    body.deviceSentMessage.message.CopyFrom(protocol(14))
    return body


def _keys() -> Any:
    body: Any = E2E.Message()
    body.senderKeyDistributionMessage.groupID = GROUP
    body.senderKeyDistributionMessage.axolotlSenderKeyDistributionMessage = b"key"
    return body


CLAIMS: dict[str, Any] = {
    **{f"protocol message {kind}": protocol(kind) for kind in E2E.ProtocolMessage.Type.values()},
    **{name: addon(name) for name in sorted(ADDON_FIELDS - {"protocolMessage"})},
    "contact card": _card(),
    "group invitation": _invite(),
    "quote": _quote(),
    "message of the owner's device": _as_the_owner(),
    "group key": _keys(),
}
UNSYNCED = ("people", "said", "deleted")
"""What a history sync says nothing about."""


def others(folder: AccountFolder) -> dict[str, Any]:
    """What the archive holds of everybody but Eve: people, chats, members, and what they said."""
    held = dump(folder.archive_db)
    path: Path = folder.archive_db
    assert path.exists()
    return {
        "people": [row for row in held["contacts"] if not any(eve in str(row[0]) for eve in EVES)],
        "chats": [(row[0], row[3], *row[7:]) for row in held["chats"] if row[0] != EVE],
        "members": held["members"],
        "said": [row for row in held["messages"] if row[2] != EVE],
        "deleted": held["revokes of messages"],
    }


@pytest.fixture
async def known(folder: AccountFolder) -> AccountFolder:
    """The files of an archive with people, a group in which Eve is a member, and something of everybody."""
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        await archive.write(recording.set_own, ME, None, "Max")
        await archive.ingest(
            journal(
                [
                    ev.message("A0", "hello", alt=ANA_LID, name="Annie"),
                    ev.message("A1", "hello all", chat=GROUP, sender=ANA),
                    ev.message("B1", "hi", chat=GROUP, sender=BOB),
                    ev.message("M1", "mine", chat=GROUP, sender=None),
                    ev.message("E0", "I am new", chat=EVE, name="Eve"),
                    ev.message("E1", "me too", chat=GROUP, sender=EVE, name="Eve"),
                ]
            )
        )
        await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Mum")])
    return folder


@pytest.fixture
def copies(known: AccountFolder, folders: Callable[[], AccountFolder]) -> Callable[[], AccountFolder]:
    """What copies that archive for each row of a table."""

    def copy() -> AccountFolder:
        folder = folders()
        shutil.copytree(known.path, folder.path)
        return folder

    return copy


async def come(folder: AccountFolder, event: Raw) -> None:
    """Archive an event after the others."""
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        await archive.ingest(journal([event], after=6))


@pytest.fixture
def before(known: AccountFolder) -> dict[str, Any]:
    """What that archive holds of others."""
    return others(known)


@for_each("claim, where", product(CLAIMS, [EVE, GROUP]), folder="copies")
async def test_a_strangers_message_changes_nothing_about_others(
    before: dict[str, Any], folder: AccountFolder, claim: str, where: str
) -> None:
    await come(folder, ev.message("X1", CLAIMS[claim], chat=where, sender=EVE, at=NOON + 60, name="Eve"))
    assert others(folder) == before
    async with open_archive(folder) as archive:
        assert (await archive.message("A1")).kept_by is None or claim == "keepInChatMessage"


@for_each("claim", CLAIMS, folder="copies")
async def test_nor_does_one_that_the_phones_past_holds(
    before: dict[str, Any], folder: AccountFolder, claim: str
) -> None:
    forged = ev.web_message("X1", CLAIMS[claim], chat=GROUP, sender=EVE, at=NOON + 60, name="Eve")
    await come(folder, ev.history(ev.conversation([forged], chat=GROUP)))
    found = others(folder)
    assert [found[name] for name in UNSYNCED] == [before[name] for name in UNSYNCED]


@for_each("claim", CLAIMS, folder="copies")
async def test_nor_does_one_that_says_it_is_between_the_owners_devices(
    before: dict[str, Any], folder: AccountFolder, claim: str
) -> None:
    forged = Neonize.Message.FromString(
        ev.message("X1", CLAIMS[claim], chat=EVE, sender=EVE, at=NOON + 60).payload
    )
    forged.Info.Category = "peer"
    await come(folder, Raw(EventCode.MESSAGE, forged.SerializeToString()))
    assert others(folder) == before


@pytest.mark.parametrize("device", [0, 7])
async def test_of_the_owners_devices_the_phone_alone_says_who_is_who(archive: Archive, device: int) -> None:
    told = Neonize.Message.FromString(ev.message("M1", mapping(ANA, EVE), chat=ME, sender=None).payload)
    told.Info.MessageSource.Sender.Device = device
    events = [ev.message("A1", name="Ana"), Raw(EventCode.MESSAGE, told.SerializeToString())]
    await archive.ingest(journal([*events, ev.message("E1", chat=EVE, at=NOON + 1)]))
    found = await archive.contact(EVE)
    assert found is not None
    assert (found.number is not None) is (device == 0)


@pytest.mark.parametrize("code", [EventCode.CALL_OFFER, EventCode.CALL_ACCEPT])
async def test_who_calls_cannot_say_that_they_are_somebody_else(
    before: dict[str, Any], copies: Callable[[], AccountFolder], code: EventCode
) -> None:
    folder = copies()
    event: Any = Neonize.CallOffer() if code is EventCode.CALL_OFFER else Neonize.CallAccept()
    meta = event.basicCallMeta
    ev.jid(getattr(meta, "from"), EVE)
    ev.jid(meta.callCreator, ANA_LID)
    ev.jid(meta.callCreatorAlt, ANA)
    meta.timestamp, meta.callID = NOON + 60, "CALL1"
    await come(folder, Raw(code, event.SerializePartialToString()))
    assert others(folder) == before
    async with open_archive(folder) as archive:
        assert all(one.sender == EVE for one in (await archive.messages(MessageFilter(chat=EVE))).items)


@pytest.mark.parametrize("where", [ANA, GROUP])
async def test_the_timer_of_a_group_is_not_a_members_to_say(archive: Archive, where: str) -> None:
    await archive.ingest(journal([ev.message("X1", protocol(3), chat=where, sender=ANA)]))
    assert await archive.expires_in(where) == (86400 if where == ANA else 0)
