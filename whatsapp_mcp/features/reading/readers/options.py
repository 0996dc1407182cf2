"""Options of a reading process, as values and as its arguments."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from whatsapp_mcp.features.reading.speech.options import SpeechOptions


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """Options of a reading process; documents are always read.

    Attributes:
        words: What recognises the words in pictures.
        speech: What recognises speech; None: nothing does.
    """

    words: bool = False
    speech: SpeechOptions | None = None


def arguments_of(options: ReaderOptions) -> tuple[str, ...]:
    """The arguments of a process that loads this."""
    words = ("--words",) if options.words else ()
    if options.speech is None:
        return words
    model = ("--model", str(options.speech.model)) if options.speech.model else ()
    return (*words, "--speech", options.speech.engine, *model)


def options_of(arguments: Sequence[str]) -> ReaderOptions:
    """Parse the arguments of a reading process; they have no language and no address of a service."""
    parser = argparse.ArgumentParser(
        prog="python -m whatsapp_mcp.features.reading.readers", description=__doc__
    )
    parser.add_argument("--words", action="store_true", help="recognise words in pictures")
    parser.add_argument("--speech", metavar="ENGINE", help="recognise speech with this engine")
    parser.add_argument("--model", metavar="FOLDER", type=Path, help="the engine's model")
    given = parser.parse_args(arguments)
    speech = SpeechOptions(given.speech, given.model) if given.speech else None
    return ReaderOptions(given.words, speech)
