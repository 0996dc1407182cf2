"""Errors as HTTP answers: our code, sentence and what to do, under the status that comes nearest."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.responses import JSONResponse

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.server.calls import error_payload

if TYPE_CHECKING:
    from starlette.types import Message, Send

STATUSES: Final = {
    "INVALID_ARGUMENT": 400,
    "AMBIGUOUS_CHAT": 400,
    "UNAUTHORIZED": 401,
    "DENIED": 403,
    "FILE_NOT_ALLOWED": 403,
    "CHAT_NOT_FOUND": 404,
    "CONTACT_NOT_FOUND": 404,
    "MESSAGE_NOT_FOUND": 404,
    "MEDIA_UNAVAILABLE": 404,
    "APPROVAL_REQUIRED": 409,
    "KEY_REUSED": 409,
    "NOT_LINKED": 409,
    "SEND_UNKNOWN": 409,
    "TOO_LATE": 409,
    "TOO_LONG": 413,
    "NOT_ON_WHATSAPP": 422,
    "REJECTED": 422,
    "UNSUPPORTED": 422,
    "RATE_LIMITED": 429,
    "BUSY": 503,
    "NOT_CONNECTED": 503,
    "TIMEOUT": 504,
}
"""The status of each code. None that invites a client to repeat what must not be repeated: a send whose end
is not known is a conflict, not a failure of the server."""
HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class _Said(NamedTuple):
    """What is said of a refusal that a library, or the guard, answered in plain text."""

    code: str
    message: str = ""
    action: str = ""


_PLAIN: Final = {
    401: _Said("UNAUTHORIZED", action="Send `Authorization: Bearer TOKEN`."),
    403: _Said("DENIED", action="Tell the user."),
    404: _Said(
        "INVALID_ARGUMENT",
        "There is nothing at this address.",
        "GET /api/v1/openapi.json lists all.",
    ),
    405: _Said("INVALID_ARGUMENT", "This address takes another method.", "The header Allow names it."),
    413: _Said("TOO_LONG", "The body of the request is too large.", "It may have 4 MiB."),
    416: _Said("INVALID_ARGUMENT", "The file has no such part.", "Ask for bytes that it has."),
    421: _Said("INVALID_ARGUMENT", action="Use a name of this server."),
    429: _Said("RATE_LIMITED", action="Wait as long as Retry-After says."),
    503: _Said("BUSY", action="Try again later."),
}
_LARGEST: Final = 4096
"""Bytes of an answer in plain text."""


def problem(error: WhatsAppError, status: int | None = None) -> JSONResponse:
    """An error as an answer: `{"error": {code, message, action, candidates?, retry_after?, approval?}}`.

    Args:
        error: What went wrong.
        status: Of HTTP, where it is another than that of the code.
    """
    wait = {} if error.retry_after is None else {"Retry-After": str(math.ceil(error.retry_after))}
    body = {"error": error_payload(error)}
    return JSONResponse(body, status or STATUSES[error.code], {**HEADERS, **wait})


class JsonProblems:
    """Sends a response; a refusal in plain text, from before any route, gets the form of `problem`.

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
        ours = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
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
