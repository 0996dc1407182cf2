"""The job `read_document`: what a document says, as far as the limits go."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from whatsapp_mcp.errors import TooLong
from whatsapp_mcp.features.reading.documents import Words, open_document
from whatsapp_mcp.features.reading.readers import limits
from whatsapp_mcp.features.reading.readers.passages import collected
from whatsapp_mcp.features.reading.readers.samples import samples
from whatsapp_mcp.media.job import Outcome, done


def read_document(file: BinaryIO, options: dict[str, Any], words: Words | None = None) -> Outcome:
    """Read a document. Options: `mime_type` and `file_name`, as given by the sender.

    Args:
        file, options: As every job's.
        words: What recognises the words in pictures, for scanned pages; a process without it leaves it out.

    Raises:
        Unsupported: It is nothing that is read here.
        TooLong: It is over a limit.
    """
    if file.seek(0, os.SEEK_END) > limits.DOCUMENT_BYTES:
        most = limits.DOCUMENT_BYTES // 1_000_000
        raise TooLong(f"A document of more than {most} MB is not read.", "Use a smaller one.")
    file.seek(0)
    is_late = _deadline(limits.DOCUMENT_SECONDS if words is None else limits.SCAN_SECONDS)
    document = open_document(file, options["mime_type"], options["file_name"], words)
    return collected(
        document.passages,
        document.engine,
        in_file=document.count,
        is_late=is_late,
        why_empty=document.why_empty,
    )


def rehearse() -> None:
    """Read one document of each family: libraries load parts of themselves at first use."""
    for sample in samples():
        done(read_document, io.BytesIO(sample), {"mime_type": "", "file_name": ""})


def _deadline(seconds: float) -> Callable[[], bool]:
    """Return a check of whether so many seconds of clock or processor time have passed since now."""
    clock, processor = time.monotonic() + seconds, time.process_time() + seconds
    return lambda: time.monotonic() > clock or time.process_time() > processor
