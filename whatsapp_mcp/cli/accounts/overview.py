"""What `accounts list` shows of each account; nothing is led, connected or written for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from whatsapp_mcp.cli.outcome import rfc3339
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.settings import Settings


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account.

    Attributes:
        number: Of the phone that is linked.
        size: Bytes of all its files.
        last_heard: The last event from WhatsApp; None where no server runs, or none has come.
    """

    name: str
    number: str | None
    state: ConnectionState
    size: int
    last_heard: datetime | None

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "name": self.name,
            "number": self.number,
            "state": self.state.value,
            "size": self.size,
            "last_heard": rfc3339(self.last_heard) if self.last_heard else None,
        }

    def to_cells(self) -> tuple[str, ...]:
        """For a person."""
        heard = self.last_heard.astimezone().strftime("%Y-%m-%d %H:%M") if self.last_heard else "–"
        return self.name, self.number or "–", self.state.value, f"{self.size / 1e6:,.1f} MB", heard


def overview(loaded: Settings) -> list[AccountRow]:
    """Every account of the home, by name."""
    from whatsapp_mcp.cli.connection import find

    rows: list[AccountRow] = []
    for name in loaded.accounts():
        status = find(name, wait=False)
        size = size_of(loaded.account_folder(name).path)
        rows.append(AccountRow(name, status.number, status.state, size, status.last_event_at))
    return rows


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder; what goes meanwhile counts as nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if path.is_file() and not path.is_symlink() else 0
        except FileNotFoundError:
            continue
    return total
