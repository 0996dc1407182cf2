"""Gemini CLI, and as much of Google's generateContent as it needs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.features.hosts.node import MODULES
from tests.hosts.scripted_model import Request, Shown

SCRIPT = str(MODULES / "@google" / "gemini-cli" / "bundle" / "gemini.js")
SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "general": {"enableAutoUpdate": False},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
}


class GeminiCli:
    """Gemini CLI, set up by its own command."""

    @property
    def dialect(self) -> GenerateContent:
        return GenerateContent()

    @property
    def wrapping(self) -> re.Pattern[str]:
        image = r"(\[Tool '\w+' provided the following image data with mime-type: image/jpeg\]\n)?"
        error = r"MCP tool '\w+' reported tool error for function call: \{.*\} with response: \[.*….*\]"
        return re.compile(rf"{image}<untrusted_context>\n…\n</untrusted_context>|{error}")

    @property
    def name(self) -> str:
        return "gemini-cli"

    @property
    def program(self) -> tuple[str, Sequence[str]]:
        return "gemini", (SCRIPT,)

    def prepare(self, home: Path, model: str) -> None:
        (home / ".gemini").mkdir()
        (home / ".gemini" / "settings.json").write_text(json.dumps(SETTINGS), encoding="utf-8")

    def prompt(self, text: str) -> Sequence[str]:
        return ("--prompt", text, "--model", "gemini-2.5-pro", "--approval-mode", "yolo", "--skip-trust")

    def environment(self, model: str) -> dict[str, str]:
        return {"GOOGLE_GEMINI_BASE_URL": model, "GEMINI_API_KEY": "none"}


class GenerateContent:
    """Google's generateContent."""

    def offered(self, request: Request) -> list[str]:
        return [
            declaration["name"]
            for tool in request.get("tools", [])
            for declaration in tool.get("functionDeclarations", [])
        ]

    def shown(self, request: Request) -> list[Shown]:
        turns = [content["parts"] for content in request["contents"] if content["role"] == "user"]
        return [_shown(parts) for parts in turns if "functionResponse" in parts[0]]

    def calls(self, name: str, arguments: dict[str, Any], number: int) -> Sequence[Mapping[str, Any]]:
        return _candidate({"functionCall": {"name": name, "args": arguments}})

    def says(self, text: str) -> Sequence[Mapping[str, Any]]:
        return _candidate({"text": text})


def _shown(parts: list[dict[str, Any]]) -> Shown:
    answer = parts[0]["functionResponse"]
    texts = answer["response"].values()
    files = [*answer.get("parts", []), *parts[1:]]
    images = [base64.b64decode(file["inlineData"]["data"]) for file in files if "inlineData" in file]
    return Shown("\n".join(texts), tuple(images))


def _candidate(part: dict[str, Any]) -> list[dict[str, Any]]:
    content = {"role": "model", "parts": [part]}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    return [
        {"candidates": [{"index": 0, "content": content, "finishReason": "STOP"}], "usageMetadata": usage}
    ]
