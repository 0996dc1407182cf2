"""What processes hold, read from `/proc`: memory, threads, file handles, sockets."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_PAGE_KB: Final = os.sysconf("SC_PAGE_SIZE") // 1024
SETTLED: Final = 3
"""Looks at a process before its start-up is over and it counts."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What one process holds; memory in MB."""

    memory: float
    threads: int
    files: int
    sockets: int


@dataclass(frozen=True, slots=True)
class Look:
    """What a process held `at` so many seconds after the start."""

    at: float
    role: str
    pid: int
    held: Holding


def holding(pid: int) -> Holding | None:
    """What a process holds now; None when it is gone."""
    folder = _PROC / str(pid)
    try:
        pages = int((folder / "statm").read_text().split()[1])
        threads = len(os.listdir(folder / "task"))
        targets = [_target(folder / "fd" / name) for name in os.listdir(folder / "fd")]
    except (FileNotFoundError, ProcessLookupError):
        return None
    sockets = sum(target.startswith("socket:") for target in targets)
    return Holding(pages * _PAGE_KB / 1024, threads, len(targets), sockets)


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return ""


def alive(pid: int) -> bool:
    """Whether a process runs (or is stopped); a zombie does not."""
    return _state(pid) not in {None, "Z", "X"}


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    try:
        return [
            int(child)
            for task in os.listdir(_PROC / str(pid) / "task")
            for child in (_PROC / str(pid) / "task" / task / "children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _state(pid: int) -> str | None:
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


@dataclass
class Growth:
    """Looks at processes by role over time, and how the last quarter compares with the first."""

    looks: list[Look] = field(default_factory=list["Look"])
    _seen: dict[int, int] = field(default_factory=dict[int, int])

    def look(self, at: float, roles: Mapping[str, list[int]]) -> None:
        """Note what each process holds at `at` (seconds since the start)."""
        for role, pids in roles.items():
            for pid in pids:
                self._seen[pid] = self._seen.get(pid, 0) + 1
                held = holding(pid)
                if held is not None and self._seen[pid] > SETTLED:
                    self.looks.append(Look(at, role, pid, held))

    def quarters(self) -> dict[str, tuple[Holding, Holding]]:
        """By role: the medians of the first and of the last quarter of all looks at it."""
        found: dict[str, tuple[Holding, Holding]] = {}
        for role in self._roles():
            held = [look.held for look in self.looks if look.role == role]
            quarter = len(held) // 4
            if quarter:
                found[role] = _median(held[:quarter]), _median(held[-quarter:])
        return found

    def oldest(self) -> dict[str, tuple[float, Holding, Holding]]:
        """By role: the process that was seen for longest, for how many seconds, and its first and last state.

        It has been restarted by no fault, so whatever grows without end grows here.
        """
        found: dict[str, tuple[float, Holding, Holding]] = {}
        for role in self._roles():
            lives: dict[int, list[Look]] = {}
            for look in self.looks:
                if look.role == role:
                    lives.setdefault(look.pid, []).append(look)
            longest = max(lives.values(), key=lambda life: life[-1].at - life[0].at)
            held = [look.held for look in longest]
            found[role] = longest[-1].at - longest[0].at, _median(held[:SETTLED]), _median(held[-SETTLED:])
        return found

    def _roles(self) -> list[str]:
        return sorted({look.role for look in self.looks})


def _median(held: list[Holding]) -> Holding:
    return Holding(
        round(statistics.median(each.memory for each in held), 1),
        round(statistics.median(each.threads for each in held)),
        round(statistics.median(each.files for each in held)),
        round(statistics.median(each.sockets for each in held)),
    )
