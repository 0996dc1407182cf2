"""A job of the decoding process: what it takes, what it answers, and what becomes of its errors."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, BinaryIO

from whatsapp_mcp.errors import TooLong, Unsupported, WhatsAppError

Outcome = tuple[dict[str, Any], bytes]
"""JSON-able facts, and bytes."""
Job = Callable[[BinaryIO, dict[str, Any]], Outcome]
"""Takes the file, open for reading and seekable, and options. Raises `WhatsAppError`, or anything."""


def done(job: Job, file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """The header and the body of the reply to a job, whatever comes of it."""
    try:
        facts, content = job(file, options)
    except WhatsAppError as error:
        return {"error": error.to_payload()}, b""
    except MemoryError:
        error = TooLong("Reading the file takes more memory than is allowed.", "Use a smaller file.")
        return {"error": error.to_payload(), "spent": True}, b""
    except Exception as error:  # noqa: BLE001
        # Its place, not its words: they may quote the file.
        return {"error": Unsupported("The file cannot be read.").to_payload(), "cause": _place(error)}, b""
    return {"answer": facts}, content


def _place(error: Exception) -> str:
    """The class of an error and where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    return (
        f"{type(error).__name__} at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
    )
