"""Errors as HTTP answers: our code, sentence and what to do, under the status that comes nearest."""

from __future__ import annotations

import math
from typing import Final

from starlette.responses import JSONResponse

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.server.calls import error_payload
from whatsapp_mcp.server.transports import API_HEADERS

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


def problem(error: WhatsAppError, status: int | None = None) -> JSONResponse:
    """An error as an answer: `{"error": {code, message, action, candidates?, retry_after?, approval?}}`.

    Args:
        error: What went wrong.
        status: Of HTTP, where it is another than that of the code.
    """
    wait = {} if error.retry_after is None else {"Retry-After": str(math.ceil(error.retry_after))}
    body = {"error": error_payload(error)}
    return JSONResponse(body, status or STATUSES[error.code], {**API_HEADERS, **wait})
