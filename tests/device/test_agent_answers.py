"""What becomes of an agent's answer that cannot be put into the outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.devices import ByName
from whatsapp_mcp.archive import Archive, open_archive, outbox, recording
from whatsapp_mcp.device.agent.speaking import Speaker
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.errors import DeadlineExceeded, InvalidArgument, KeyReused, RateLimited, WhatsAppError
from whatsapp_mcp.models import Caller, HandOn, HandOnState, SendRequest, TextContent
from whatsapp_mcp.settings import Settings

pytestmark = pytest.mark.anyio
ANN = "15550002222@s.whatsapp.net"
ANN_LID = "70001@lid"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Refusing(ByName):
    """A device whose sends are refused."""

    def __init__(self, error: WhatsAppError) -> None:
        self._error = error
        self.asked: list[SendRequest] = []

    async def send(self, request: SendRequest) -> None:
        self.asked.append(request)
        raise self._error


class Accepting(ByName):
    """A device that accepts sends of a caller into the outbox of an archive, while it has room."""

    def __init__(self, archive: Archive, room: list[str], caller: Caller) -> None:
        self._archive = archive
        self._room = room
        self._caller = caller

    async def send(self, request: SendRequest) -> None:
        if not self._room:
            raise RateLimited("There is no room.")
        self._room.pop()
        await self._archive.write(outbox.add, request, principal=self._caller.principal)


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    async with open_archive(folder, write=True) as opened:
        yield opened


async def answer(archive: Archive, device: Refusing) -> float | None:
    """Send an answer of two parts."""

    def acting(_: Caller) -> Any:
        return device

    state = HandOnState.ANSWERING
    found = HandOn(1, ANN, "command", (1,), 1, NOON, NOON, state, parts=("one", "two"))
    return await Speaker(archive, acting, SystemClock()).answer(found)


async def test_no_part_goes_out_twice_when_the_number_of_a_chat_becomes_known_meanwhile(
    archive: Archive,
) -> None:
    room = ["for one"]

    def acting(caller: Caller) -> Any:
        return Accepting(archive, room, caller)

    speaker = Speaker(archive, acting, SystemClock())
    state = HandOnState.ANSWERING
    found = HandOn(1, ANN_LID, "command", (1,), 1, NOON, NOON, state, parts=("one", "two"))
    assert await speaker.answer(found) is not None
    await archive.write(recording.record_identities, [(ANN, ANN_LID)])
    room += ["for one", "for another"]
    assert await speaker.answer(found) is None
    contents = [entry.request.content for entry in await archive.outbox_unsettled()]
    assert contents == [TextContent("one"), TextContent("two")]


async def test_an_answer_that_is_refused_as_invalid_is_not_taken_for_sent(archive: Archive) -> None:
    with pytest.raises(InvalidArgument):
        await answer(archive, Refusing(InvalidArgument("The message holds a value that cannot be stored.")))


async def test_a_part_whose_key_an_earlier_run_has_used_is_left_out(archive: Archive) -> None:
    device = Refusing(KeyReused("This idempotency key was already used for another message."))
    assert await answer(archive, device) is None
    assert len(device.asked) == 2


async def test_an_answer_that_is_not_taken_in_time_is_tried_again(archive: Archive) -> None:
    again = await answer(archive, Refusing(DeadlineExceeded("No answer.")))
    assert again is not None
