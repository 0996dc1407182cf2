"""Files that a tool is given, on their way to WhatsApp."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

import pytest

from tests.server.conftest import BOB
from tests.server.fakes import FakeSource
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.models import FileContent, SendRequest
from whatsapp_mcp.server.intake import take, write_private


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_file_for_which_there_is_no_room_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(Busy, match="could not be stored") as told:
            write_private(tmp_path / "picture.jpg", b"picture")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "free space" in told.value.action
    assert list(tmp_path.iterdir()) == []


@pytest.mark.anyio
async def test_an_old_copy_is_deleted_unless_its_send_may_still_go_out(
    source: FakeSource, archive: Archive
) -> None:
    services = await source.services()
    waiting, sent = [
        (await take(services, None, None, base64.b64encode(content).decode())).path
        for content in (b"waiting", b"sent")
    ]
    await archive.outbox_add(SendRequest(BOB, FileContent("document", str(waiting), "text/plain")))
    for path in (waiting, sent):
        os.utime(path, (0, 0))
    new = (await take(services, None, None, base64.b64encode(b"new").decode())).path
    assert sorted(new.parent.iterdir()) == sorted([waiting, new])
