"""Qwen Code, which speaks OpenAI's Chat Completions."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from tests.features.hosts.node import MODULES
from tests.features.hosts.opencode import ChatCompletions
from tests.hosts.node import NODE
from tests.hosts.scripted_model import Request, Shown

SCRIPT = str(MODULES / "@qwen-code" / "qwen-code" / "cli-entry.js")
NOTE = re.compile(r"\[Tool '\w+' provided the following image data with mime-type: [\w/]+\]\n?")
SETTINGS = {
    "security": {"auth": {"selectedType": "openai"}},
    "general": {"enableAutoUpdate": False},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
    # Else its model is not shown the tools before it has searched for them.
    "tools": {"toolSearch": {"enabled": False}},
}


class WithoutNotes(ChatCompletions):
    """The API, without the lines in which Qwen Code announces pictures in the middle of a result."""

    def shown(self, request: Request) -> list[Shown]:
        return [Shown(NOTE.sub("", shown.text), shown.images) for shown in super().shown(request)]


class QwenCode:
    """Qwen Code, set up by its own command."""

    @property
    def dialect(self) -> ChatCompletions:
        return WithoutNotes()

    @property
    def wrapping(self) -> re.Pattern[str]:
        error = r"MCP tool '\w+' reported tool error for function call: \{.*\} with response: \[.*….*\]"
        return re.compile(rf"…|{error}")

    @property
    def name(self) -> str:
        return "qwen-code"

    @property
    def program(self) -> tuple[str, Sequence[str]]:
        return "qwen", (NODE, SCRIPT)

    def prepare(self, home: Path, model: str) -> None:
        (home / ".qwen").mkdir()
        (home / ".qwen" / "settings.json").write_text(json.dumps(SETTINGS), encoding="utf-8")

    def prompt(self, text: str) -> Sequence[str]:
        return ("--prompt", text, "--approval-mode", "yolo")

    def environment(self, model: str) -> dict[str, str]:
        return {
            "OPENAI_BASE_URL": model,
            "OPENAI_API_KEY": "none",
            "OPENAI_MODEL": "gpt-4o",
            "QWEN_CODE_LEGACY_MCP_BLOCKING": "1",  # the first request waits for the server
        }
