"""No add-on is dropped in silence: what is known and not handled is kept until a version handles it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, NOON, journal
from tests.archive.world import sealed_edit, sealed_reaction, text
from tests.tables import for_each
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.decoding import addons, history
from whatsapp_mcp.decoding.content import ADDON_FIELDS
from whatsapp_mcp.protobufs import E2E, Neonize

pytestmark = pytest.mark.anyio

_TYPE: Any = E2E.ProtocolMessage.DESCRIPTOR.fields_by_name["type"]
TYPES: dict[int, str] = {value.number: value.name for value in _TYPE.enum_type.values}


LATER = bytes((12 << 3 | 2, 3, 2 << 3, 0xE7, 7))
"""An `E2E.Message` with a `protocolMessage` (12) of the type (2) 999."""


def protocol(number: int) -> Any:
    body: Any = E2E.Message()
    body.protocolMessage.type = number
    return body


async def emojis(archive: Archive) -> list[str]:
    return [one.emoji for one in (await archive.message("A1")).reactions]


async def undecoded(archive: Archive) -> int:
    return (await archive.statistics()).undecoded


async def test_every_add_on_is_handled_or_it_is_said_why_it_is_ignored() -> None:
    assert addons.HANDLERS.keys() | addons.IGNORED.keys() == ADDON_FIELDS
    assert not addons.HANDLERS.keys() & addons.IGNORED.keys()
    assert {*E2E.Message.DESCRIPTOR.fields_by_name} >= ADDON_FIELDS
    assert not addons.PROTOCOL.keys() & addons.IGNORED_PROTOCOL.keys()
    assert TYPES.keys() >= addons.PROTOCOL.keys() | addons.IGNORED_PROTOCOL.keys()
    assert all((*addons.IGNORED.values(), *addons.IGNORED_PROTOCOL.values()))


@for_each("number", TYPES, archive="archives")
async def test_a_protocol_message_is_handled_ignored_or_kept(archive: Archive, number: int) -> None:
    result = await archive.ingest(journal([ev.message("P1", protocol(number))]))
    known = number in addons.PROTOCOL or number in addons.IGNORED_PROTOCOL
    assert result.undecoded == (not known)


async def test_what_no_version_knows_is_kept_unless_it_is_between_the_owners_devices(
    archive: Archive,
) -> None:
    later: Any = E2E.Message.FromString(LATER)
    later.protocolMessage.key.ID = "A1"
    event: Any = Neonize.Message.FromString(ev.message("P2", later).payload)
    event.Info.Category = "peer"
    from_a_device = ev.Raw(EventCode.MESSAGE, event.SerializeToString())
    result = await archive.ingest(journal([ev.message("A1"), ev.message("P1", later), from_a_device]))
    assert result.undecoded == 1
    assert (await archive.message("A1")).revoked_at is None


async def test_an_add_on_that_is_not_handled_is_kept_with_what_it_tells_of_people_until_it_is(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.delitem(addons.HANDLERS, "reactionMessage")
        reaction = ev.reaction("A1", "👍", alt=ANA_LID, name="Ana")
        assert (await archive.ingest(journal([ev.message("A1"), reaction]))).undecoded == 1
        person = await archive.contact(ANA)
        assert person is not None
        assert (person.lid, person.push_name) == (ANA_LID, "Ana")
        assert await archive.redecode() == 0
        assert await undecoded(archive) == 1
    assert await emojis(archive) == []
    assert await archive.redecode() == 1
    assert await emojis(archive) == ["👍"]
    assert await undecoded(archive) == 0


async def test_one_that_came_with_the_past_is_kept_until_it_is_handled(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    body: Any = E2E.Message()
    body.reactionMessage.key.ID, body.reactionMessage.text = "A1", "👍"
    past = [ev.web_message("X1", body, at=NOON + 1), ev.web_message("A1")]
    with monkeypatch.context() as patch:
        patch.delitem(addons.HANDLERS, "reactionMessage")
        assert (await archive.ingest(journal([ev.history(ev.conversation(past))]))).undecoded == 1
        assert await archive.redecode() == 0
        assert await undecoded(archive) == 1
    assert await archive.redecode() == 1
    assert (await emojis(archive), await undecoded(archive)) == (["👍"], 0)


async def test_parts_of_an_event_that_is_decoded_later_are_kept_if_they_are_not_handled(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(payload: bytes, received_at: int) -> list[object]:
        raise ValueError

    body: Any = E2E.Message()
    body.reactionMessage.key.ID, body.reactionMessage.text = "A1", "👍"
    past = ev.history(ev.conversation([ev.web_message("X1", body, at=NOON + 1), ev.web_message("A1")]))
    with monkeypatch.context() as patch:
        patch.setattr(history, "history_sync", broken)
        assert (await archive.ingest(journal([past]))).undecoded == 1
    with monkeypatch.context() as patch:
        patch.delitem(addons.HANDLERS, "reactionMessage")
        assert await archive.redecode() == 1
        assert (await emojis(archive), await undecoded(archive)) == ([], 1)
    assert await archive.redecode() == 1
    assert (await emojis(archive), await undecoded(archive)) == (["👍"], 0)


async def test_one_that_is_sealed_goes_on_waiting_until_it_is_handled(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = sealed_edit("second", "A1", ANA, NOON + 60)
    with monkeypatch.context() as patch:
        patch.delitem(addons.PROTOCOL, 14)
        await archive.ingest(journal([ev.message("A1", text("first", secret=True)), edit]))
        assert (await archive.message("A1")).text == "first"
    next_one = sealed_reaction("🎉", "A1", ANA, ANA, NOON + 70)
    await archive.ingest(journal([next_one], after=2))
    assert (await archive.message("A1")).text == "second"
