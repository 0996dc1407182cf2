"""opencode, and as much of OpenAI's Chat Completions as it needs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.features.hosts.node import MODULES
from tests.hosts.scripted_model import Request, Shown

PROGRAM = str(MODULES / "opencode-linux-x64-baseline" / "bin" / "opencode")
"""The build itself: `opencode-ai` would find it by an install script."""


class Opencode:
    """opencode, whose file is changed."""

    @property
    def dialect(self) -> ChatCompletions:
        return ChatCompletions()

    @property
    def wrapping(self) -> re.Pattern[str]:
        return re.compile("…")

    @property
    def name(self) -> str:
        return "opencode"

    @property
    def program(self) -> tuple[str, Sequence[str]]:
        return "opencode", (PROGRAM,)

    def prepare(self, home: Path, model: str) -> None:
        if not Path(PROGRAM).exists():
            pytest.skip("there is no build of opencode for this machine")
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": model, "apiKey": "none"},
            "models": {"scripted": {"modalities": {"input": ["text", "image"], "output": ["text"]}}},
        }
        configuration = {
            "autoupdate": False,
            "share": "disabled",
            "model": "scripted/scripted",
            "small_model": "scripted/scripted",
            "permission": "allow",
            "provider": {"scripted": provider},
        }
        folder = home / ".config" / "opencode"
        folder.mkdir(parents=True)
        (folder / "opencode.json").write_text(json.dumps(configuration), encoding="utf-8")

    def prompt(self, text: str) -> Sequence[str]:
        return ("run", text)

    def environment(self, model: str) -> dict[str, str]:
        return {"OPENCODE_DISABLE_MODELS_FETCH": "1"}


class ChatCompletions:
    """OpenAI's Chat Completions."""

    def offered(self, request: Request) -> list[str]:
        return [tool["function"]["name"] for tool in request.get("tools", [])]

    def shown(self, request: Request) -> list[Shown]:
        shown: list[Shown] = []
        for message in request["messages"]:
            if message["role"] == "tool":
                shown.append(_shown(message["content"]))
            elif shown and isinstance(message["content"], list):  # a result's images, in the user's name
                shown[-1] = Shown(shown[-1].text, _images(message["content"]))
        return shown

    def calls(self, name: str, arguments: dict[str, Any], number: int) -> Sequence[Mapping[str, Any]]:
        function = {"name": name, "arguments": json.dumps(arguments)}
        call = {"index": 0, "id": f"call_{number}", "type": "function", "function": function}
        return _chunks({"role": "assistant", "tool_calls": [call]}, "tool_calls")

    def says(self, text: str) -> Sequence[Mapping[str, Any]]:
        return _chunks({"role": "assistant", "content": text}, "stop")


def _shown(content: str | list[dict[str, Any]]) -> Shown:
    if isinstance(content, str):
        return Shown(content)
    texts = [part["text"] for part in content if part["type"] == "text"]
    return Shown("\n".join(texts), _images(content))


def _images(parts: list[dict[str, Any]]) -> tuple[bytes, ...]:
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return tuple(base64.b64decode(url.partition(",")[2]) for url in urls)


def _chunks(delta: dict[str, Any], reason: str) -> list[dict[str, Any]]:
    return [
        {"id": "1", "model": "scripted", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {"id": "1", "model": "scripted", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
    ]
