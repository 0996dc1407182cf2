"""The Claude Code channel on its page: its settings load, and its question is the one that is asked."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

from whatsapp_mcp.device.guard.gate import decision_about
from whatsapp_mcp.device.guard.phone_questions import question_text
from whatsapp_mcp.device.guard.questions import lines_of
from whatsapp_mcp.models import Approval, ApprovalState
from whatsapp_mcp.server import channel
from whatsapp_mcp.server.channel import PermissionRequest
from whatsapp_mcp.settings import AgentSettings, Settings

PAGE = (Path(__file__).parents[2] / "docs" / "agent.md").read_text(encoding="utf-8")


def test_the_settings_of_the_page_load(tmp_path: Path) -> None:
    [block] = re.findall(r"^ +```toml\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    settings = Settings.model_validate({"home": tmp_path, **tomllib.loads(block)})
    assert settings.agent.chats == {"self": "channel"}


def test_a_message_arrives_with_the_attributes_that_the_page_shows() -> None:
    [shown] = re.findall(r"^<channel (.*)>$", PAGE, re.MULTILINE)
    form = re.sub(r'"[^"]+"', '"…"', shown)
    assert f"<channel {form}>" in Path(channel.__file__).read_text(encoding="utf-8")


def test_the_question_of_the_page_is_the_one_that_is_asked() -> None:
    asked = PermissionRequest("abcde", "Bash", "List the files", '{"command": "ls"}').permit()
    reason = decision_about(AgentSettings(chats={"self": "channel"})).reason
    until = datetime(2026, 11, 24, 15, 3, tzinfo=UTC)
    question = lines_of("permit", {"wanted": asked}, ())
    approval = Approval("K7F2", ApprovalState.OPEN, "channel", "claude-code", question, reason, until, until)
    assert question_text(approval, UTC) in PAGE
