"""The reading process, with `[--words] [--speech ENGINE [--model FOLDER]]`.

It loads what its arguments name, does each job once, is confined, and serves (`child.py`).
"""

from __future__ import annotations

import sys
from functools import partial

from whatsapp_mcp.features.reading.readers import limits, reading_documents
from whatsapp_mcp.features.reading.readers.options import ReaderOptions, options_of
from whatsapp_mcp.media.child import lower_priority, run
from whatsapp_mcp.media.job import Job


def main(arguments: list[str]) -> None:
    """Load, then serve."""
    lower_priority()  # before a library starts threads
    options = options_of(arguments)
    run(*loaded(options))


def loaded(options: ReaderOptions) -> tuple[dict[str, Job], int]:
    """The jobs of a process with these options, and the memory that they may take beside what is loaded.

    Each was done once, since nothing can be loaded later. A module of jobs is imported only where its options
    are given: its libraries take memory and time.
    """
    jobs: dict[str, Job] = {"read_document": reading_documents.read_document}
    reading_documents.rehearse()
    memory = limits.MODEL_MEMORY_BYTES if options.words else limits.MEMORY_BYTES
    if options.words:
        from whatsapp_mcp.features.reading.readers import words

        jobs["read_picture_words"] = words.read_picture_words
        jobs["read_document"] = partial(reading_documents.read_document, words=words.words_of_image)
        words.rehearse()
    if options.speech is not None:
        from whatsapp_mcp.features.reading.readers import transcribing

        transcripts, needed = transcribing.loaded(options.speech)
        jobs |= transcripts
        memory = max(memory, needed)
    return jobs, memory


if __name__ == "__main__":
    main(sys.argv[1:])
