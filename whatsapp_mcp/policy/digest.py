"""The digest of an act: a person's answer is about exactly what has it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from whatsapp_mcp.models import ChatFacts


def digest_of(
    operation: str, arguments: Mapping[str, Any], chats: Sequence[ChatFacts], files: Mapping[str, str]
) -> str:
    """SHA-256, in hex, of all that a person is asked about.

    Args:
        operation: What is done.
        arguments: Its arguments as JSON: texts, quote, preview.
        chats: Whom it reaches: their numbers, and who is in a group.
        files: SHA-256 of every file's bytes, by its path.
    """
    reached = [[chat.jid, chat.number, chat.members] for chat in chats]
    text = json.dumps([operation, arguments, reached, files], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
