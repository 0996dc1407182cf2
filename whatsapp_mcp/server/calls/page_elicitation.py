"""Opens a page of this server for the person, through a host that can (URL elicitation).

Up to 2025-11-25 the server asks in the middle of the call. Since 2026-07-28 the request is the answer of the
call, and the host calls again with what the person said
(https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation).

An accepted request says at most that the person agreed: some hosts accept by themselves. What comes of it
the page itself tells.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import anyio
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitRequest, ElicitRequestURLParams, ElicitResult, InputRequiredResult
from pydantic import ValidationError

from whatsapp_mcp.server.calls.call import ShowPage
from whatsapp_mcp.server.calls.elicitation import asks_by_answer

_KEY: Final = "page"
_LIMIT: Final = 300.0
"""Seconds in which the person agrees or not."""


class PageRequestedError(Exception):
    """The call is answered with a request to open a page; the host calls again with what became of it."""

    def __init__(self, url: str, message: str) -> None:
        super().__init__(url)
        request = ElicitRequest(params=ElicitRequestURLParams(message=message, url=url))
        self.result = InputRequiredResult(input_requests={_KEY: request})


def page_opener(context: Context[Any, Any]) -> ShowPage | None:
    """What opens a page for the person of a request; None if its host cannot."""
    declared = context.client_capabilities
    if declared is None or declared.elicitation is None or declared.elicitation.url is None:
        return None
    if asks_by_answer(context):
        return _ByAnswer(context)
    return _Now(context) if context.session.can_send_request else None


@dataclass(frozen=True, slots=True)
class _ByAnswer:
    context: Context[Any, Any]

    async def __call__(self, url: str, message: str, *, anew: bool) -> bool | None:
        response = (self.context.input_responses or {}).get(_KEY)
        if isinstance(response, ElicitResult):
            return response.action == "accept"
        if anew:
            raise PageRequestedError(url, message)
        return None


@dataclass(frozen=True, slots=True)
class _Now:
    context: Context[Any, Any]

    async def __call__(self, url: str, message: str, *, anew: bool) -> bool | None:
        if not anew:
            return None
        session, number = self.context.session, str(uuid.uuid4())
        with suppress(MCPError, ValidationError), anyio.move_on_after(_LIMIT):
            answer = await session.elicit_url(message, url, number, self.context.request_id)
            return answer.action == "accept"
        return None
