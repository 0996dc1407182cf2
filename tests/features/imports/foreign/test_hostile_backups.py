"""Hostile and damaged backups of every kind, in the confined process and by the operations of the archive.

Each is read, with what cannot be read counted, or refused by a sentence of ours. Nothing crashes, takes
long or much memory, is half stored or left behind (`hostile_runs.py`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from typing import Final

import pytest

from tests.features.imports.backups.hostile import Case, hostile_backups
from tests.features.imports.foreign.forked import in_place_of_starting, open_forks
from tests.features.imports.foreign.hostile_runs import Imports, open_template
from whatsapp_mcp.features.imports.foreign import reader
from whatsapp_mcp.features.imports.sentences import SAID
from whatsapp_mcp.media import open_worker

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(reader.os, "fork"), reason="each process is forked"),
]
ALL: Final = tuple(hostile_backups())
FAMILIES: Final = sorted({case.family for case in ALL})
_OPENING_SECONDS: Final = 2
"""Of the processor; these files are small."""


@pytest.fixture(scope="module")
async def imports(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Imports]:
    """Imports them, in processes that are forked."""
    home = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reader, "_OPENING_SECONDS", _OPENING_SECONDS)
        async with (
            open_forks() as forks,
            open_worker(says=SAID) as exports,
            open_template(home / "empty") as template,
        ):
            with in_place_of_starting(forks):
                yield Imports(home, template, forks, exports)


async def failures(imports: Imports, cases: Iterable[Case]) -> list[str]:
    """What went wrong with these."""
    found: list[str] = []
    for case in cases:
        run = await imports.run(case)
        if case.refused == "" and run.sentence:
            run.faults.append("it must be read")
        if case.refused and not re.search(case.refused, run.sentence):
            run.faults.append(f"it must be refused: {case.refused}")
        if run.faults:
            found.append(str(run))
    return found


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_hostile_backup_is_imported_or_refused_by_name(imports: Imports, family: str) -> None:
    cases = [case for case in ALL if case.family == family and not case.is_slow]
    assert await failures(imports, cases) == []


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted({case.family for case in ALL if case.is_slow}))
async def test_each_other_hostile_backup_is_imported_or_refused_by_name(
    imports: Imports, family: str
) -> None:
    cases = [case for case in ALL if case.family == family and case.is_slow]
    assert await failures(imports, cases) == []


def test_there_are_hostile_backups_of_every_kind() -> None:
    assert len({str(case) for case in ALL}) == len(ALL) > 900
    assert sum(not case.is_slow for case in ALL) > 250
    assert len(FAMILIES) == 11
