"""Random worlds: the same events in any order, cut into batches and repeated, must give the same archive.

`python -m tests.archive.worlds [--count 20000] [--seed 1]` (`make worlds`). A world is a few events of one
place; nothing is remembered between its two batches. A world whose orders disagree is printed with its
seed, and `--only SEED` runs it alone. The property tests take their worlds from here too.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.archive import shared_number, world
from tests.archive.dump import differences, dump, dump_of
from tests.archive.events import ANA, ANA_LID, BOB, BOB_LID, ME, MY_LID, NOON, NOW, Raw, journal
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.archive.database import schema
from whatsapp_mcp.archive.identity.identities import Lookups
from whatsapp_mcp.archive.write import ingestion, sealed_addons
from whatsapp_mcp.archive.write.applying import WriteContext, begin_operation
from whatsapp_mcp.decoding.events import decode_events
from whatsapp_mcp.decoding.updates import IdentityUpdate, OwnUpdate
from whatsapp_mcp.models import MessageFilter
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import transaction

PLACES = {
    "a chat with one person": world.direct(ANA, ANA_LID, "A") + world.mappings(),
    "a group": world.group() + world.mappings(),
    "a number that moved": world.moved() + world.mappings(),
    "a number of three people": shared_number.everything(),
    "the chats of a number of three people": shared_number.people() * 2 + shared_number.chats(),
    "a group with a number of three people": shared_number.people() * 2 + shared_number.group(),
    "calls, settings, names and the past": world.other_things() + world.mappings(),
    "what is ours": world.ourselves() + world.mappings(),
    "everything": [
        *world.direct(ANA, ANA_LID, "A"),
        *world.group(),
        *world.moved(),
        *world.mappings(),
        *world.other_things(),
    ],
}
STRANGERS = [place for place in PLACES if place != "what is ours"]
"""Where it need not be known who is who; what is said by us and twice by a stranger is of one second."""
SETTINGS = [*((place, True) for place in PLACES), *((place, False) for place in STRANGERS)]
"""Each place, and whether it is told at the end who we and the people are."""
LATER = NOON + 1_000_000
"""When who is who is told at the end."""
_CHUNK = 50


async def whole(batches: list[list[Raw]], *, introduced: bool) -> dict[str, Any]:
    """All that an archive holds after these batches, closed and opened again after each."""
    with tempfile.TemporaryDirectory() as name:
        folder = AccountFolder("default", Path(name) / "accounts" / "default")
        told: list[Raw] = []
        for batch in batches:
            told += batch
            async with open_archive(folder, write=True, now=lambda: NOW) as archive:
                result = await archive.ingest(journal(told))
                assert result.undecoded == 0
        async with open_archive(folder, write=True, now=lambda: NOW) as archive:
            if introduced:
                await archive.write(recording.set_own, ME, MY_LID, "Max")
                await archive.write(recording.record_identities, [(ANA, ANA_LID), (BOB, BOB_LID)])
            assert await archive.check() == ()
            await search_agrees(archive)
        return dump(folder.archive_db)


async def search_agrees(archive: Archive) -> None:
    """Within a chat or of a sender, the index finds what the list has."""
    every = (await archive.messages(limit=500)).items
    places = [MessageFilter(chat=jid) for jid in {message.chat for message in every}]
    people = [MessageFilter(sender=jid) for jid in {message.sender for message in every} if jid]
    for where in places + people:
        found = {message.ref for message in (await archive.search("text", where, limit=500)).items}
        listed = (await archive.messages(where, limit=500)).items
        assert found == {message.ref for message in listed if "text" in message.text}


def in_memory(batches: list[list[Raw]], *, introduced: bool) -> dict[str, Any]:
    """The same without files and threads; nothing is remembered between the batches."""
    with archived(batches, introduced=introduced) as db:
        return dump_of(db)


@contextmanager
def archived(batches: list[list[Raw]], *, introduced: bool) -> Iterator[sqlite3.Connection]:
    """An archive in memory with these batches."""
    with closing(_connect()) as db, closing(_connect()) as raw:
        schema.migrate(db)
        schema.RAW.prepare(raw)

        def write(operation: Callable[[WriteContext], object]) -> None:
            with transaction(db):
                context = WriteContext(db, raw, begin_operation(db, LATER * 1000), LATER * 1000, Lookups())
                operation(context)
                if context.opens_addons:
                    ingestion.open_addons(context, sealed_addons.open_waiting_addons(db, raw))

        for number in range(len(batches)):
            events = [event for batch in batches[: number + 1] for event in batch]
            write(partial(ingestion.ingest, events=decode_events(journal(events), ingestion.position(db))))
        if introduced:
            write(
                partial(
                    ingestion.write_updates,
                    updates=[OwnUpdate(ME), OwnUpdate(MY_LID), IdentityUpdate(ME, MY_LID, LATER)],
                )
            )
            pairs = [IdentityUpdate(ANA, ANA_LID, LATER), IdentityUpdate(BOB, BOB_LID, LATER)]
            write(partial(ingestion.write_updates, updates=pairs))
        assert db.execute("SELECT count(*) FROM undecoded").fetchone()[0] == 0
        yield db


def _connect() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def disagreement(seed: int) -> dict[str, Any]:
    """What two orders of the events of one world give differently; nothing, if all is well."""
    chance = random.Random(seed)
    place, introduced = chance.choice(SETTINGS)
    events = chance.choices(PLACES[place], k=chance.randint(2, 30))
    shuffled = events + chance.choices(events, k=chance.randint(0, 4))
    chance.shuffle(shuffled)
    cut = chance.randint(0, len(shuffled))
    one = in_memory([events], introduced=introduced)
    other = in_memory([shuffled[:cut], shuffled[cut:]], introduced=introduced)
    found = differences(one, other)
    return {"place": place, "introduced": introduced, **found} if found else {}


def _run(seeds: range) -> list[tuple[int, dict[str, Any]]]:
    return [(seed, found) for seed in seeds if (found := disagreement(seed))]


def main() -> int:
    """Run the worlds on every processor; the number of those that disagree decides the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", type=int)
    asked = parser.parse_args()
    if asked.only is not None:
        print(disagreement(asked.only) or "agrees")
        return 0
    first = asked.seed * 1_000_000
    chunks = [
        range(start, min(start + _CHUNK, first + asked.count))
        for start in range(first, first + asked.count, _CHUNK)
    ]
    disagreeing = 0
    with ProcessPoolExecutor(asked.jobs) as pool:
        for done, failed in enumerate(pool.map(_run, chunks), 1):
            disagreeing += len(failed)
            for seed, what in failed:
                print(f"world {seed} disagrees: {what}", flush=True)
            if done % 20 == 0:
                print(f"{min(done * _CHUNK, asked.count)} worlds, {disagreeing} disagree", flush=True)
    print(f"{asked.count} worlds, {disagreeing} disagree")
    return 1 if disagreeing else 0


if __name__ == "__main__":
    sys.exit(main())
