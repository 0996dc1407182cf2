"""Codex, and as much of OpenAI's Responses API as it needs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.features.hosts.node import MODULES
from tests.hosts.node import NODE
from tests.hosts.scripted_model import Request, Shown
from whatsapp_mcp.features.hosts import CODEX_WAITS

SCRIPT = str(MODULES / "@openai" / "codex" / "bin" / "codex.js")
CONFIGURATION = """
model = "scripted"
model_provider = "scripted"
check_for_update_on_startup = false

[model_providers.scripted]
name = "scripted"
base_url = "{model}"
wire_api = "responses"

[analytics]
enabled = false
"""


class Codex:
    """Codex, set up by its own command.

    Args:
        waits: Whether its first request to the model waits for the server.
    """

    def __init__(self, *, waits: bool = True) -> None:
        self._waits = waits

    @property
    def dialect(self) -> Responses:
        return Responses()

    @property
    def wrapping(self) -> re.Pattern[str]:
        return re.compile(r"Wall time: [\d.]+ seconds\nOutput:\n…")

    @property
    def name(self) -> str:
        return "codex"

    @property
    def program(self) -> tuple[str, Sequence[str]]:
        return "codex", (NODE, SCRIPT)

    def prepare(self, home: Path, model: str) -> None:
        (home / ".codex").mkdir()
        (home / ".codex" / "config.toml").write_text(CONFIGURATION.format(model=model), encoding="utf-8")

    def prompt(self, text: str) -> Sequence[str]:
        return (
            *("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"),
            *(("-c", CODEX_WAITS) if self._waits else ()),
            text,
        )

    def environment(self, model: str) -> dict[str, str]:
        return {}


class Responses:
    """OpenAI's Responses API. Tools of a server are a namespace; a name here holds both, with a dot."""

    def offered(self, request: Request) -> list[str]:
        namespaces = [tool for tool in request.get("tools", []) if tool["type"] == "namespace"]
        return [f"{space['name']}.{tool['name']}" for space in namespaces for tool in space["tools"]]

    def shown(self, request: Request) -> list[Shown]:
        outputs = [item for item in request["input"] if item["type"] == "function_call_output"]
        return [_shown(item["output"]) for item in outputs]

    def calls(self, name: str, arguments: dict[str, Any], number: int) -> Sequence[Mapping[str, Any]]:
        namespace, _, tool = name.partition(".")
        item = {
            "type": "function_call",
            "id": f"fc_{number}",
            "call_id": f"call_{number}",
            "namespace": namespace,
            "name": tool,
            "arguments": json.dumps(arguments),
        }
        return _response(item)

    def says(self, text: str) -> Sequence[Mapping[str, Any]]:
        content = [{"type": "output_text", "text": text}]
        return _response({"type": "message", "role": "assistant", "id": "msg_1", "content": content})


def _shown(output: str | list[dict[str, Any]]) -> Shown:
    if isinstance(output, str):
        return Shown(output)
    texts = [part["text"] for part in output if part["type"] == "input_text"]
    urls = [part["image_url"] for part in output if part["type"] == "input_image"]
    return Shown("\n".join(texts), tuple(base64.b64decode(url.partition(",")[2]) for url in urls))


def _response(item: dict[str, Any]) -> list[dict[str, Any]]:
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    return [
        {"type": "response.created", "response": {"id": "resp_1"}},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"id": "resp_1", "usage": usage}},
    ]
