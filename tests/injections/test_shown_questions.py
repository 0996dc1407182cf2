"""What a person is asked about an act: the file as it is, and the group as WhatsApp describes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.injections.world import world
from tests.injections.withheld import agent
from tests.server.linked import png
from whatsapp_mcp.device.leader.observer import leading_device
from whatsapp_mcp.device.operations import approvals
from whatsapp_mcp.settings import Settings

pytestmark = pytest.mark.anyio


async def test_a_question_shows_where_files_are_from_and_which_group_would_be_joined(tmp_path: Path) -> None:
    folder = Settings(home=tmp_path / "home").account_folder()
    async with world(tmp_path / "home", "standard") as made, leading_device(folder) as leader:
        somebody = made.wa.person("Somebody")
        group = made.wa.group("Offers” (2 people)", [somebody], founder=somebody)
        group.remove(made.wa.me)
        folder.media.mkdir(exist_ok=True)
        tax, passport = folder.media / "tax.pdf", folder.media / "passport.png"
        tax.write_bytes(b"%PDF-1.7 what I earned")
        passport.write_bytes(png(40, 30))
        calls = {
            "send_file": {
                "chat": somebody.number,
                "path": str(tax),
                "file_name": "menu.txt",
                "kind": "document",
            },
            "update_profile": {"photo": str(passport)},
            "join_group": {"link": f"https://chat.whatsapp.com/{group.invite_code}"},
        }
        async with agent(made, "agent") as client:
            for tool, arguments in calls.items():
                answer = await client.call_tool(tool, arguments)
                assert "APPROVAL_REQUIRED" in str(answer.content)
        asked = {one.tool: one for one in await leader.do(approvals.approvals)}
        assert asked["send_file"].question[1:] == (
            "Send this document, named “menu.txt”",
            f"It is from “{tax}”: a PDF, 22 bytes",
        )
        [photo] = asked["update_profile"].question[1:]
        assert photo.startswith(f"with a photo from “{passport}”: a JPEG, ")
        assert len(asked["update_profile"].pictures) == 1
        assert asked["join_group"].question[:2] == (
            "Join group",
            "It is the group “Offers' (2 people)” (1 person)",
        )
