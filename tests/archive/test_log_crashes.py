"""Wherever a leader of a log ends, what the disk has left goes on as an archive of the log alone does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archive.log_crashes import History


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(1, 13))
async def test_a_crashed_leader_and_a_rebuilt_archive_hold_the_same(tmp_path: Path, seed: int) -> None:
    await History(seed, tmp_path).run()
