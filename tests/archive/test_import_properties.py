"""Imports in any mix with what comes over the connection: nothing doubled, nothing missing, nothing left."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from pprint import pformat
from typing import Any, Literal

import anyio
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.archive.dump import differences, dump
from tests.archive.events import ANA, ANA_LID, BOB, BOB_LID, GROUP, NOON, NOW, Raw, journal
from tests.archive.replaying import contents
from tests.archive.test_properties import an_event, message_id
from tests.properties import examples
from whatsapp_mcp.archive import Archive, exchange, open_archive, recording
from whatsapp_mcp.models import (
    ForeignChat,
    ForeignMessage,
    ForeignPage,
    ForeignPerson,
    ForeignReaction,
    ForeignReceipt,
    ImportSource,
    ImportState,
    MessageKind,
)
from whatsapp_mcp.settings import AccountFolder

LIDS = {ANA: ANA_LID, BOB: BOB_LID}
PEOPLE = tuple(ForeignPerson(pn, lid, push_name=f"name of {pn}") for pn, lid in LIDS.items())
CHATS = (ForeignChat(GROUP, "Club", ((ANA, 0), (BOB_LID, 1))),)


@st.composite
def a_message(draw: st.DrawFn) -> ForeignMessage:
    """A message of a backup; files that say as much of one say the same."""
    chat, number = draw(st.sampled_from([ANA, BOB, GROUP])), draw(st.integers(0, 7))
    sender: str | None
    if chat == GROUP:
        sender = (ANA, BOB, None)[number % 3]
        sender = draw(st.sampled_from([sender, LIDS[sender]])) if sender else None
    else:
        sender = None if number % 2 == 0 else chat
    at = NOON + number * 10
    where = chat if chat == GROUP else draw(st.sampled_from([chat, LIDS[chat]]))
    said = ForeignMessage(message_id(number), where, sender, at, text=f"file {number} of {chat}")
    who = draw(st.sampled_from([None, ANA, ANA_LID]))
    said = replace(
        said,
        reactions=draw(st.sampled_from([(), (ForeignReaction(who, "👍", (at + 1) * 1000),)])),
        receipts=draw(st.sampled_from([(), (ForeignReceipt(ANA, at + 1, at + 2),)])),
    )
    match draw(st.sampled_from(["text", "text", "unknown", "starred", "edited", "revoked"])):
        case "unknown":
            return replace(said, kind=MessageKind.UNKNOWN, text="")
        case "starred":
            return replace(said, starred=True)
        case "edited":
            return replace(said, text="edited", edited_at_ms=(at + 2) * 1000)
        case "revoked":
            return replace(said, text="", revoked_at=at + 3)
        case _:
            return said


@dataclass(frozen=True)
class Step:
    """What happens next: an event, a page of a backup, the end of the process, or it is told who is who."""

    what: Literal["live", "page", "kill", "introduce"]
    event: Raw | None = None
    backup: int = 0


BACKUPS = st.lists(a_message(), max_size=8)
STEPS = st.lists(
    st.one_of(
        an_event().map(lambda event: Step("live", event)),
        st.integers(0, 1).map(lambda backup: Step("page", backup=backup)),
        st.sampled_from([Step("kill"), Step("introduce")]),
    ),
    max_size=14,
)


def pages_of(messages: Sequence[ForeignMessage]) -> list[ForeignPage]:
    """A backup in small pages."""
    starts = [*range(0, len(messages), 3)] or [0]
    return [
        ForeignPage(
            tuple(messages[start : start + 3]),
            people=PEOPLE if start == 0 else (),
            chats=CHATS if start == 0 else (),
            following=start + 3 if start != starts[-1] else None,
        )
        for start in starts
    ]


class World:
    """An archive with two backups, of which each is imported as far as a run has come."""

    def __init__(self, folder: AccountFolder, backups: Sequence[Sequence[ForeignMessage]]) -> None:
        self.folder = folder
        self._pages = [pages_of(backup) for backup in backups]
        self.numbers: dict[int, int] = {}
        self._next = [0] * len(backups)
        self._seq = 0

    async def run(self, steps: Sequence[Step]) -> None:
        """What happens, up to each kill, then what is left of the backups that were begun."""
        sessions: list[list[Step]] = [[]]
        for step in steps:
            if step.what == "kill":
                sessions.append([])
            else:
                sessions[-1].append(step)
        for session in sessions:
            async with open_archive(self.folder, write=True, now=lambda: NOW) as archive:
                for step in session:
                    await self._step(archive, step)

    async def _step(self, archive: Archive, step: Step) -> None:
        if step.event is not None:
            self._seq += 1
            await archive.ingest(journal([step.event], after=self._seq - 1))
        elif step.what == "introduce":
            await archive.write(recording.record_identities, [(ANA, ANA_LID), (BOB, BOB_LID)])
        else:
            await self.page(archive, step.backup)

    async def page(self, archive: Archive, backup: int) -> bool:
        """The next page of a backup; whether there was one."""
        begun = await archive.write(
            exchange.import_begun, ImportSource.ANDROID, "msgstore.db", bytes([backup])
        )
        self.numbers[backup] = begun.number
        place = self._next[backup]
        if place == len(self._pages[backup]):
            return False
        assert begun.position == (None if place == 0 else place * 3)
        await archive.import_page(begun.number, self._pages[backup][place])
        self._next[backup] += 1
        return True

    async def rest(self, archive: Archive, backup: int) -> None:
        """All the rest of a backup."""
        while await self.page(archive, backup):
            pass
        await archive.write(exchange.import_ended, self.numbers[backup], ImportState.DONE)


async def undo(archive: Archive, number: int) -> None:
    while await archive.write(exchange.import_undone, number):
        pass


def same(one: dict[str, Any], other: dict[str, Any], *story: object) -> None:
    found = differences(one, other)
    if found:
        note(f"{story!r}")
        note(pformat(found, width=110))
    assert not found


def only_live(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if step.what in ("live", "introduce")]


def held(folder: AccountFolder) -> dict[str, Any]:
    """All that an archive holds, in names, and what stands in the tables of imports."""
    rows = contents(folder)
    imports = {table: found for table, found in rows.items() if table.startswith("imported_")}
    return {**dump(folder.archive_db), "addresses": sorted(row[1] for row in rows["addresses"]), **imports}


async def whole(
    name: str,
    backups: Sequence[Sequence[ForeignMessage]],
    steps: Sequence[Step],
    undone: Sequence[int] = (),
    *,
    introduced: bool = False,
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as path:
        folder = AccountFolder("default", Path(path) / "accounts" / name)
        world = World(folder, backups)
        await world.run(steps)
        async with open_archive(folder, write=True, now=lambda: NOW) as archive:
            for backup in undone:
                if backup in world.numbers:
                    await undo(archive, world.numbers[backup])
            if introduced:
                await archive.write(recording.record_identities, [(ANA, ANA_LID), (BOB, BOB_LID)])
            assert await archive.check() == ()
        return held(folder)


@settings(max_examples=examples(40))
@given(first=BACKUPS, second=BACKUPS, steps=STEPS, order=st.permutations([0, 1]))
def test_imports_that_are_undone_leave_what_came_over_the_connection_alone(
    first: list[ForeignMessage], second: list[ForeignMessage], steps: list[Step], order: list[int]
) -> None:
    alone = anyio.run(whole, "alone", (), only_live(steps))
    undone = anyio.run(whole, "undone", (first, second), steps, order)
    same(alone, undone, first, second, steps)


@settings(max_examples=examples(40))
@given(first=BACKUPS, second=BACKUPS, steps=STEPS, undone=st.integers(0, 1))
def test_undoing_one_of_two_imports_leaves_what_the_other_would_have_brought(
    first: list[ForeignMessage], second: list[ForeignMessage], steps: list[Step], undone: int
) -> None:
    other = [step for step in steps if step.what != "page" or step.backup != undone]
    # Of a person's addresses the one that is known counts, so which it is depends on who came first.
    alone = anyio.run(partial(whole, "alone", (first, second), other, introduced=True))
    left = anyio.run(partial(whole, "undone", (first, second), steps, [undone], introduced=True))
    for table in [table for table in alone if table.startswith("imported_")]:
        del alone[table], left[table]
    same(alone, left, first, second, steps)


@settings(max_examples=examples(30))
@given(first=BACKUPS, steps=STEPS)
def test_nothing_is_doubled_or_missing_and_a_second_import_or_a_dry_run_changes_nothing(
    first: list[ForeignMessage], steps: list[Step]
) -> None:
    async def again() -> None:
        with tempfile.TemporaryDirectory() as path:
            folder = AccountFolder("default", Path(path) / "accounts" / "default")
            world = World(folder, [first, ()])
            await world.run([step for step in steps if step.backup == 0])
            async with open_archive(folder, write=True, now=lambda: NOW) as archive:
                await world.rest(archive, 0)
                await archive.write(recording.record_identities, [(ANA, ANA_LID), (BOB, BOB_LID)])
                once = contents(folder)
                for page in pages_of(first):
                    dry = await archive.import_page(0, page, dry=True)
                    assert (dry.new, dry.filled) == (0, 0)
                assert contents(folder) == once
                held_once = dump(folder.archive_db)
                number = (
                    await archive.write(exchange.import_begun, ImportSource.ANDROID, "again", b"again")
                ).number
                for page in pages_of(first):
                    report = await archive.import_page(number, page)
                    assert (report.new, report.filled) == (0, 0)
                same(held_once, dump(folder.archive_db), first, steps)
                await undo(archive, number)
                same(held_once, dump(folder.archive_db), first, steps)
            said = [(of_one(row[0]), row[1], of_one(row[2])) for row in held_once["messages"]]
            assert len(said) == len({*said})
            assert {(of_one(m.chat), m.id, of_one(m.sender or "me")) for m in first} <= {*said}

    anyio.run(again)


def of_one(address: str) -> str:
    """The number of whoever has an address, or these."""
    for pn, lid in LIDS.items():
        if pn in address or lid in address:
            return pn
    return address
