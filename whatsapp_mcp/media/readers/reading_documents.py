"""The job `read_document`: what a document says, as far as the limits go."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from whatsapp_mcp.errors import TooLong, Unsupported
from whatsapp_mcp.media.documents import open_document
from whatsapp_mcp.media.job import Outcome, done
from whatsapp_mcp.media.readers import limits
from whatsapp_mcp.media.readers.passages import collected
from whatsapp_mcp.models import Passage

_SAMPLES: Final = (b"Words\n",)


def read_document(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """Its pages. Options: `mime_type` and `file_name`, as its sender calls it.

    Raises:
        Unsupported: It is nothing that is read here.
        TooLong: It is over a limit.
    """
    if file.seek(0, os.SEEK_END) > limits.DOCUMENT_BYTES:
        most = limits.DOCUMENT_BYTES // 1_000_000
        raise TooLong(f"A document of more than {most} MB is not read.", "Use a smaller one.")
    file.seek(0)
    is_late = _deadline(limits.DOCUMENT_SECONDS)
    document = open_document(file, options["mime_type"], options["file_name"])
    passages = _with_text(document.passages)
    return collected(passages, document.engine, in_file=document.count, is_late=is_late)


def rehearse() -> None:
    """Read one document of each family."""
    for sample in _SAMPLES:
        done(read_document, io.BytesIO(sample), {"mime_type": "", "file_name": ""})


def _with_text(passages: Iterator[Passage]) -> Iterator[Passage]:
    """The same; refuses at their end if none of them holds a word."""
    has_text = False
    for passage in passages:
        has_text = has_text or bool(passage.text.strip())
        yield passage
    if not has_text:
        raise Unsupported("The document contains no text.", "Download it.")


def _deadline(seconds: float) -> Callable[[], bool]:
    """Whether so many seconds, of the clock or of the processor, have passed since now."""
    clock, processor = time.monotonic() + seconds, time.process_time() + seconds
    return lambda: time.monotonic() > clock or time.process_time() > processor
