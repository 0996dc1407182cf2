"""Every operation of imports: what it does is declared, and a follower does it as the leader does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from tests.server.pair import Pair, link, pair_of_servers
from whatsapp_mcp.device.operations import Device
from whatsapp_mcp.device.operations.registry import OPERATIONS
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.features.imports import operations as imports
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest
from whatsapp_mcp.models import ImportState
from whatsapp_mcp.policy import Effect

pytestmark = pytest.mark.anyio

EFFECTS = {
    "begin_import": Effect.IMPORT,
    "imports": Effect.READ,
    "cancel_import": Effect.PERSON,
    "undo_import": Effect.PERSON,
    "match_exports": Effect.PERSON,
}


@pytest.fixture(scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A linked pair."""
    async with pair_of_servers(tmp_path_factory.mktemp("imports")) as pair:
        await link(pair)
        yield pair


def test_what_each_operation_does_is_declared() -> None:
    declared = {name: one.effect for name, one in OPERATIONS.items() if one.part == "Imports"}
    assert declared == EFFECTS


async def imported(pair: Pair, name: str = "chat.txt") -> ImportProgress:
    """An exported chat that a person at the follower has imported."""
    path = pair.home.with_name(f"{pair.home.name}-exports") / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("[24/11/2019, 12:00:00] D: Taken over\n", encoding="utf-8")
    async with pair.person() as device:
        wanted = ImportRequest(str(path), str(pair.wa.person("D").pn), "Nobody")
        ticket = await device.do(imports.begin_import, wanted)
        return await import_over(device, ticket)


async def import_over(device: Device, ticket: int) -> ImportProgress:
    with anyio.fail_after(30):
        while not (found := await device.do(imports.imports, ticket)) or not found[0].is_over:  # noqa: ASYNC110
            await anyio.sleep(0.05)
    return found[0]


async def does_begin_import(pair: Pair) -> None:
    assert (await imported(pair)).state is ImportState.DONE
    assert len((await pair.archive.search("taken")).items) == 1


async def does_imports(pair: Pair) -> None:
    async with pair.person() as device:
        assert {one.file for one in await device.do(imports.imports)} <= {"chat.txt", "undone.txt"}


async def does_cancel_import(pair: Pair) -> None:
    async with pair.person() as device:
        with pytest.raises(InvalidArgument, match="no such import"):
            await device.do(imports.cancel_import, 1)


async def does_undo_import(pair: Pair) -> None:
    done = await imported(pair, "undone.txt")
    async with pair.person() as device:
        ticket = await device.do(imports.undo_import, done.numbers[0])
        assert (await import_over(device, ticket)).state is ImportState.UNDONE


async def does_match_exports(pair: Pair) -> None:
    folder = pair.home / "exports"
    folder.mkdir(exist_ok=True)
    (folder / "WhatsApp Chat with D.txt").write_text("[24/11/2019, 12:00:00] D: Hi\n", encoding="utf-8")
    async with pair.person() as device:
        assert [one.file for one in await device.do(imports.match_exports, str(folder))] == [
            "WhatsApp Chat with D.txt"
        ]


@pytest.mark.parametrize("operation", EFFECTS)
async def test_a_follower_does_every_operation_of_imports_as_the_leader_does(
    pair: Pair, operation: str
) -> None:
    pair.asked.clear()
    with anyio.fail_after(60):
        await globals()[f"does_{operation}"](pair)
    assert operation in pair.asked
