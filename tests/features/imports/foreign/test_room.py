"""How much of the disk a backup may be unpacked into."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from whatsapp_mcp.features.imports.foreign.__main__ import _room


@pytest.mark.parametrize(("free", "room"), [(2_000_000_000, 1_500_000_000), (400_000_000, 1), (0, 1)])
def test_half_a_gigabyte_stays_for_what_comes_over_the_connection_meanwhile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, room: int
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))  # type: ignore[misc]
    assert _room(tmp_path) == room
