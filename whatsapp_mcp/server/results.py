"""What a tool answers: concise text for the model and the same facts as data for programs.

Several MCP hosts hand the model only the structured content of a result that has any: then our text, in which
what others wrote is fenced, never arrives. So data is sent only when somebody switched it on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp.types import CallToolResult, ContentBlock, TextContent

from whatsapp_mcp.errors import Candidate, WhatsAppError
from whatsapp_mcp.server.render.sanitise import clean_line, titled


@dataclass(frozen=True, slots=True)
class Result:
    """One answer.

    Attributes:
        text: What the model reads.
        data: The same facts for programs, JSON-able.
        extra: Further content blocks (an image, a resource link), shown before the text.
    """

    text: str
    data: Mapping[str, Any]
    extra: tuple[ContentBlock, ...] = ()

    def to_mcp(self, *, structured: bool = False) -> CallToolResult:
        """The answer as MCP carries it; `data` goes along only if `structured`."""
        return CallToolResult(
            content=[*self.extra, TextContent(type="text", text=self.text)],
            structured_content=dict(self.data) if structured else None,
        )


_PLAIN_ADDRESS: Final = re.compile(r"[\w.@:+/\\-]+")
_LONGEST_ADDRESS: Final = 300
"""Characters; what is longer is not shown, since a part of an address is none."""


def candidate_text(candidate: Candidate) -> str | None:
    """`“Ann Lee” (+15550001111), last on 2026-11-24`; None where nothing can be told.

    A name is cut to what a name needs and quoted, an address shown whole or not at all.
    """
    parts: list[str] = []
    address = _address(candidate.address) if candidate.address else None
    if candidate.name is not None:
        parts.append(f"{'~' if candidate.stranger else ''}{titled(candidate.name)}")
        parts += [f"({address})"] if address else []
    elif address:
        parts.append(address)
    if not parts:
        return None
    return " ".join(parts) + (f", {candidate.note}" if candidate.note else "")


def _address(address: str) -> str | None:
    line = clean_line(address)
    if line != address or len(line) > _LONGEST_ADDRESS:
        return None
    return line if _PLAIN_ADDRESS.fullmatch(line) else json.dumps(line, ensure_ascii=False)


def error_result(error: WhatsAppError, *, structured: bool = False) -> CallToolResult:
    """A tool error the model can act on: `CODE: sentence. What to do.`, and `{error: {...}}` if `structured`.

    Its sentences are ours, with at most what the caller gave; what others named are candidates.
    """
    payload = error.to_payload()
    payload["message"] = clean_line(error.message, limit=500)
    payload["action"] = clean_line(error.action, limit=500)
    text = f"{error.code}: {payload['message']} {payload['action']}"
    if error.candidates:
        told = [words for each in error.candidates if (words := candidate_text(each))]
        payload["candidates"] = told
        text += f" Candidates: {'; '.join(told)}."
    if error.retry_after is not None:
        text += f" Retry after {error.retry_after:.0f} s."
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content={"error": payload} if structured else None,
        is_error=True,
    )
