"""The result of a tool: concise text for the model, and the same facts as data for programs.

Several MCP hosts hand the model only the structured content of a result that has any: then our text, in which
what others wrote is fenced, never arrives. So data is sent only when somebody switched it on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from mcp.types import CallToolResult, ContentBlock, TextContent

from whatsapp_mcp.errors import Candidate, WhatsAppError
from whatsapp_mcp.policy import clean_line
from whatsapp_mcp.server.fencing import LIMIT, Text, chosen_name, cut, titled


@dataclass(frozen=True, slots=True)
class Result:
    """One answer.

    Attributes:
        text: What the model reads; a `str` holds no words of others but short, marked names.
        data: The same facts for programs, JSON-able.
        extra: Further content blocks (an image, a resource link), shown before the text.
        meta: For the card that the host draws, by name; no host gives it to the model.
    """

    text: Text | str
    data: Mapping[str, Any]
    extra: tuple[ContentBlock, ...] = ()
    meta: Mapping[str, Any] | None = None

    @property
    def summary(self) -> str:
        """The part of the text that is in this server's own words."""
        return self.text if isinstance(self.text, str) else self.text.head

    def rendered(self, code: str, limit: int = LIMIT) -> str:
        """Return the text for the model, at most `limit` characters.

        Args:
            code: The number of the fence.
            limit: Characters.
        """
        return cut(self.text, limit) if isinstance(self.text, str) else self.text.rendered(code, limit)

    def to_mcp(self, new_code: Callable[[], str], *, structured: bool = False) -> CallToolResult:
        """The answer as MCP carries it; `data` goes along only if `structured`.

        Args:
            new_code: Makes the number of the fence.
            structured: Whether programs get `data`.
        """
        return CallToolResult(
            content=[*self.extra, TextContent(type="text", text=self.rendered(new_code()))],
            structured_content=bounded(self.data) if structured else None,
            _meta=None if self.meta is None else dict(self.meta),
        )


DATA_LIMIT: Final = 400_000
"""Characters of structured content as JSON: a page of 500 messages has two thirds of it."""
_SHORTEST: Final = 64
"""Characters of a text that are always left: ids, jids and cursors are no longer."""


def bounded(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data; where it is beyond `DATA_LIMIT`, with `truncated` and long texts, lists and tables cut."""
    whole = dict(data)
    # Step by step: what fits once its long texts are cut keeps its entries.
    for most in (4096, 512, _SHORTEST, 8):
        if len(json.dumps(whole, ensure_ascii=False)) <= DATA_LIMIT:
            break
        whole = {**_shortened(data, most), "truncated": True}
    return whole


def _shortened(value: Any, most: int) -> Any:
    """With at most so many characters of each text, and entries of each list."""
    if isinstance(value, str):
        return value[: max(most, _SHORTEST)]
    if isinstance(value, Mapping):
        entries = list(cast("Mapping[str, Any]", value).items())[: max(most, _SHORTEST)]
        return {key: _shortened(inner, most) for key, inner in entries}
    if isinstance(value, Sequence):
        return [_shortened(inner, most) for inner in cast("Sequence[Any]", value)[:most]]
    return value


_PLAIN_ADDRESS: Final = re.compile(r"[\w.@:+/\\-]+")
"""Addresses that are shown without quotes: nothing in them ends or opens a part of a sentence."""
_CANDIDATES: Final = 20
"""Candidates that an error names."""
_SENTENCE: Final = 500
"""Characters of a sentence of an error."""
_LONGEST_ADDRESS: Final = 300
"""Characters; what is longer is not shown, since a part of an address is none."""


def candidate_text(candidate: Candidate) -> str | None:
    """`“Ann Lee” (+15550001111), last on 2026-11-24`; None where nothing can be shown.

    A name is cut to what a name needs and quoted, an address shown whole or not at all. Of one with an
    `argument`, it is what to give: `chat="Ann Lee", who wrote #12`; `chat="+15550001111" (~“Ann Lee”)`.
    """
    parts: list[str] = []
    address = _address(candidate.address) if candidate.address else None
    if candidate.argument is not None:
        return _as_argument(candidate, address)
    if candidate.name is not None:
        parts.append(f"{'~' if candidate.stranger else ''}{titled(candidate.name)}")
        parts += [f"({address})"] if address else []
    elif address:
        parts.append(address)
    if not parts:
        return None
    return " ".join(parts) + (f", {candidate.note}" if candidate.note else "")


def _as_argument(candidate: Candidate, address: str | None) -> str | None:
    value = address or (chosen_name(candidate.name) if candidate.name else None)
    if value is None:
        return None
    whose = ""
    if address and candidate.name is not None:
        whose = f" ({'~' if candidate.stranger else ''}{titled(candidate.name)})"
    return f'{candidate.argument}="{value}"{whose}' + (f", {candidate.note}" if candidate.note else "")


def _address(address: str) -> str | None:
    line = clean_line(address)
    if line != address or len(line) > _LONGEST_ADDRESS:
        return None
    return line if _PLAIN_ADDRESS.fullmatch(line) else json.dumps(line, ensure_ascii=False)


def error_payload(error: WhatsAppError) -> dict[str, Any]:
    """`{code, message, action, candidates?, retry_after?, approval?}` for programs.

    Its sentences are ours, with at most what the caller gave; what others named are candidates.
    """
    payload = error.to_payload()
    payload["message"] = clean_line(error.message, limit=_SENTENCE)
    payload["action"] = clean_line(error.action, limit=_SENTENCE)
    if error.candidates:
        payload["candidates"] = _candidates(error)
    return payload


def error_result(error: WhatsAppError, *, structured: bool = False) -> CallToolResult:
    """A tool error the model can act on: `CODE: sentence. What to do.`; `{error: {...}}` if `structured`."""
    return CallToolResult(
        content=[TextContent(type="text", text=error_text(error))],
        structured_content={"error": error_payload(error)} if structured else None,
        is_error=True,
    )


def error_text(error: WhatsAppError) -> str:
    """`CODE: sentence. What to do.`, with what the caller may have meant, and when to try again."""
    sentences = (clean_line(each, limit=_SENTENCE) for each in (error.message, error.action))
    text = f"{error.code}: {' '.join(sentences)}"
    if error.candidates:
        text += f" Candidates: {'; '.join(_candidates(error))}."
    if error.retry_after is not None:
        text += f" Retry after {error.retry_after:.0f} s."
    return text


def _candidates(error: WhatsAppError) -> list[str]:
    return [words for each in error.candidates[:_CANDIDATES] if (words := candidate_text(each))]
