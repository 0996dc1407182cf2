"""Record of a move in a folder: which move, its source or destination, and its progress."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pydantic import TypeAdapter, ValidationError

from whatsapp_mcp.system import write_private

ARRIVING: Final = ".arriving-"
"""Begins the name of a folder that an account is copied to; no account has such a name."""
_ARRIVAL: Final = "arrival.json"


@dataclass(frozen=True, slots=True)
class MoveRecord:
    """One move.

    Attributes:
        move: Its name, which no other move has.
        settings: Of an account that arrives, as TOML.
    """

    move: str
    settings: str = ""

    @classmethod
    def new(cls, settings: str = "") -> Self:
        """A move that begins."""
        return cls(secrets.token_hex(16), settings)

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """The record in a file; None where there is none, or none that was written whole."""
        try:
            return cls(**_RECORD.validate_json(file.read_bytes()))
        except (FileNotFoundError, ValidationError, TypeError):
            return None

    def write(self, file: Path) -> None:
        """Write it, on the disk when this returns."""
        write_private(file, _RECORD.dump_json({"move": self.move, "settings": self.settings}), synced=True)


_RECORD: Final = TypeAdapter(dict[str, str])


def arrival_in(folder: Path) -> Path:
    """Return the file in which a folder notes that its account comes from a database."""
    return folder / _ARRIVAL
