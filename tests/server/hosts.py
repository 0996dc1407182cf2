"""What reaches the model: small models of how MCP hosts hand on the result of a tool.

Each rule was read off the real host, run against a scripted model that wrote down what it was given. `make
test-hosts` compares them with the real hosts, but for pydantic-ai, which was 2.68.0.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mcp.types import CallToolResult


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model is given of one result.

    Attributes:
        text: All that is text to it.
        images: How many images it sees.
    """

    text: str
    images: int = 0


Rule = Callable[[CallToolResult], Seen]


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


def _images(result: CallToolResult) -> int:
    return sum(block.type == "image" for block in result.content)


def _json(result: CallToolResult) -> str:
    return json.dumps(result.structured_content, ensure_ascii=False, separators=(",", ":"))


def claude_code(result: CallToolResult) -> Seen:
    """Structured content instead of the text, unless it is an error; images beside either."""
    as_text = result.is_error or result.structured_content is None
    return Seen(_text(result) if as_text else _json(result), _images(result))


def codex(result: CallToolResult) -> Seen:
    """Structured content instead of everything else."""
    if result.structured_content is None:
        return Seen(_text(result), _images(result))
    return Seen(_json(result))


def gemini_cli(result: CallToolResult) -> Seen:
    """Text and images, whatever else there is."""
    return Seen(_text(result), _images(result))


def qwen_code(result: CallToolResult) -> Seen:
    """Structured content before the text, unless it is an error; images beside either."""
    as_text = result.is_error or result.structured_content is None
    return Seen(_text(result) if as_text else f"{_json(result)}\n{_text(result)}", _images(result))


def opencode(result: CallToolResult) -> Seen:
    """Text and images, whatever else there is; the images in the user's name, if the model takes any."""
    return Seen(_text(result), _images(result))


def pydantic_ai(result: CallToolResult) -> Seen:
    """Structured content instead of a result that is text alone; what looks like JSON is taken for it."""
    only_text = all(block.type == "text" for block in result.content)
    if only_text and result.structured_content is not None:
        return Seen(_json(result))
    assert not _text(result).startswith(("[", "{")), "it would be parsed"
    return Seen(_text(result), _images(result))


HOSTS: Final[dict[str, Rule]] = {
    "Claude Code": claude_code,
    "Codex": codex,
    "Gemini CLI": gemini_cli,
    "Qwen Code": qwen_code,
    "opencode": opencode,
    "pydantic-ai": pydantic_ai,
}
"""The rules by the names of the hosts."""
