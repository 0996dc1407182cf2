"""Claude Code, and as much of Anthropic's Messages API as it needs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.hosts.node import MODULES, NODE
from tests.hosts.scripted_model import Request, Shown

SCRIPT = str(MODULES / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs")


class ClaudeCode:
    """Claude Code, set up by its own command."""

    @property
    def dialect(self) -> Messages:
        return Messages()

    @property
    def wrapping(self) -> re.Pattern[str]:
        return re.compile(r"(\[Image: source: .*\]\n)?…")

    @property
    def name(self) -> str:
        return "claude-code"

    @property
    def program(self) -> tuple[str, Sequence[str]]:
        return "claude", (NODE, SCRIPT)

    def prepare(self, home: Path, model: str) -> None:
        """It is told in its environment."""

    def prompt(self, text: str) -> Sequence[str]:
        return ("--print", text, "--allowedTools", "mcp__whatsapp")

    def environment(self, model: str) -> dict[str, str]:
        return {
            "ANTHROPIC_BASE_URL": model,
            "ANTHROPIC_API_KEY": "none",
            "ENABLE_TOOL_SEARCH": "false",
            "MCP_CONNECTION_NONBLOCKING": "false",
            "MCP_TIMEOUT": "60000",
            "MCP_CONNECT_TIMEOUT_MS": "60000",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }


class Messages:
    """Anthropic's Messages API."""

    def offered(self, request: Request) -> list[str]:
        return [tool["name"] for tool in request.get("tools", [])]

    def shown(self, request: Request) -> list[Shown]:
        blocks = [
            block
            for message in request["messages"]
            if isinstance(message["content"], list)
            for block in message["content"]
        ]
        return [_shown(block["content"]) for block in blocks if block["type"] == "tool_result"]

    def calls(self, name: str, arguments: dict[str, Any], number: int) -> Sequence[Mapping[str, Any]]:
        block = {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
        return _message(block, delta, "tool_use")

    def says(self, text: str) -> Sequence[Mapping[str, Any]]:
        return _message({"type": "text", "text": ""}, {"type": "text_delta", "text": text}, "end_turn")


def _shown(content: str | list[dict[str, Any]]) -> Shown:
    if isinstance(content, str):
        return Shown(content)
    texts = [block["text"] for block in content if block["type"] == "text"]
    images = [base64.b64decode(block["source"]["data"]) for block in content if block["type"] == "image"]
    return Shown("\n".join(texts), tuple(images))


def _message(block: dict[str, Any], delta: dict[str, Any], reason: str) -> list[dict[str, Any]]:
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
