"""A backup that is damaged, or made to do harm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CHAT: Final = "15550000001@s.whatsapp.net"
"""What an exported chat is imported into."""


@dataclass(frozen=True, slots=True)
class Case:
    """A backup.

    Attributes:
        family: What it is a backup of.
        name: What is wrong with it.
        make: Makes it in an empty folder; answers what is imported of it.
        refused: A part of the sentence with which it must be refused; "" if it must be read; None if either
            may be.
        key: What is given as its key.
        chat: The chat that it is, of an exported one.
        is_slow: Whether it takes more than a second, or is much like one of another program that does not.
    """

    family: str
    name: str
    make: Callable[[Path], Path]
    refused: str | None = None
    key: bytes | None = None
    chat: str | None = None
    is_slow: bool = False

    def __str__(self) -> str:
        return f"{self.family}: {self.name}"
