"""Imports that are killed or find no room: once they have gone on, all is as if nothing had been."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.archive.dump import differences
from tests.features.imports.backups.android import many
from tests.features.imports.importing.import_kills import MESSAGES, account, held, importing, killed, whole


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many(tmp_path_factory.mktemp("backup") / "msgstore.db", MESSAGES)


@pytest.fixture(scope="module")
def expected(backup: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an archive holds after an import that nobody has disturbed, beside live messages."""
    return whole(tmp_path_factory.mktemp("whole") / "home", backup)


def test_an_import_whose_server_is_killed_goes_on(
    tmp_path: Path, backup: Path, expected: dict[str, Any]
) -> None:
    assert killed(tmp_path, backup, random.Random(1)) > 0
    assert differences(expected, held(tmp_path)) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="it is found in /proc")
def test_an_import_whose_reading_process_is_killed_fails_by_name_and_goes_on(
    tmp_path: Path, backup: Path, expected: dict[str, Any]
) -> None:
    with importing(tmp_path / "home", backup) as running:
        while (reader := running.reader()) is None:
            time.sleep(0.01)
        os.kill(reader, signal.SIGKILL)
        assert running.ended().startswith("failed The")
    assert differences(expected, whole(tmp_path / "home", backup)) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="it has no limit for files")
def test_an_import_that_finds_no_room_fails_by_name_and_goes_on(
    tmp_path: Path, backup: Path, expected: dict[str, Any]
) -> None:
    home = tmp_path / "home"
    with importing(home, backup, most_bytes=700_000) as running:
        assert "The archive cannot be written" in running.ended()
    assert account(home).archive_db.stat().st_size <= 700_000
    assert differences(expected, whole(home, backup)) == {}
