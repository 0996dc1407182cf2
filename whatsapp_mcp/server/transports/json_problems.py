"""Refusals in plain text, of the guard and of libraries, as JSON: for programs that call an HTTP API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from starlette.types import Message, Send

API_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every response of an API."""


class _Said(NamedTuple):
    """Error code and texts for a refusal that a library, or the guard, answered in plain text."""

    code: str
    message: str = ""
    action: str = ""


_PLAIN: Final = {
    401: _Said("UNAUTHORIZED", action="Send `Authorization: Bearer TOKEN`."),
    403: _Said("DENIED", action="Tell the user."),
    404: _Said(
        "INVALID_ARGUMENT",
        "There is nothing at this address.",
        "The openapi.json of an API lists all that it has.",
    ),
    405: _Said("INVALID_ARGUMENT", "This address takes another method.", "The header Allow names it."),
    413: _Said("TOO_LONG", "The body of the request is too large.", "It may have 4 MiB."),
    416: _Said("INVALID_ARGUMENT", "The file has no such part.", "Ask for bytes that it has."),
    421: _Said("INVALID_ARGUMENT", action="Use a name of this server."),
    429: _Said("RATE_LIMITED", action="Wait as long as Retry-After says."),
    503: _Said("BUSY", action="Try again later."),
}
"""Refusals by HTTP status; where a message is empty, the plain text stays."""
_LARGEST: Final = 4096
"""Bytes of an answer in plain text."""


class JsonProblems:
    """Sends a response; a refusal in plain text, from before any route, becomes JSON: `{"error": …}`.

    Args:
        send: The server's.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._text = b""

    async def __call__(self, message: Message) -> None:
        """Send a message of ASGI."""
        if message["type"] == "http.response.start" and _is_plain_refusal(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._text = (self._text + message.get("body", b""))[:_LARGEST]
            if not message.get("more_body", False):
                await self._refuse(self._start)

    async def _refuse(self, start: Message) -> None:
        status: int = start["status"]
        body = json.dumps({"error": _said(status, self._text.decode(errors="replace"))}).encode()
        kept = [(name, value) for name, value in start["headers"] if name not in _REPLACED]
        ours = [(name.lower().encode(), value.encode()) for name, value in API_HEADERS.items()]
        described = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self._send({**start, "headers": [*kept, *ours, *described]})
        await self._send({"type": "http.response.body", "body": body})


_REPLACED: Final = frozenset({b"content-type", b"content-length"})


def _is_plain_refusal(start: Message) -> bool:
    types = [value for name, value in start["headers"] if name == b"content-type"]
    return start["status"] in _PLAIN and not any(each.startswith(b"application/json") for each in types)


def _said(status: int, text: str) -> dict[str, Any]:
    said = _PLAIN[status]
    return {"code": said.code, "message": said.message or " ".join(text.split()), "action": said.action}
