"""Files that a tool is given, on their way to WhatsApp."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from whatsapp_mcp.errors import Busy
from whatsapp_mcp.server.arguments.file_intake import store_file


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_file_for_which_there_is_no_room_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(Busy, match="could not be stored") as told:
            store_file(tmp_path / "picture.jpg", b"picture")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "free space" in told.value.action
    assert list(tmp_path.iterdir()) == []
