"""Resources of processes, read from `/proc`: memory, threads, file handles, sockets."""

from __future__ import annotations

import itertools
import os
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_PAGE_KB: Final = os.sysconf("SC_PAGE_SIZE") // 1024
SETTLED: Final = 3
"""Looks at a process before its start-up is over and it counts."""
JUDGED_FROM: Final = 120.0
"""Seconds that a process must have been seen for before its growth is judged."""
_MARGINS: Final = {"memory": 3.0, "threads": 4, "files": 2, "sockets": 2}
"""By how much what a process holds differs from one quarter to another without growing; memory in MB.

Worker threads come with calls and go ten seconds after them.
"""


@dataclass(frozen=True, slots=True)
class Holding:
    """Resources of one process; memory in MB."""

    memory: float
    threads: int
    files: int
    sockets: int


@dataclass(frozen=True, slots=True)
class Look:
    """Resources of a process, `at` seconds after the start."""

    at: float
    role: str
    pid: int
    held: Holding


def holding(pid: int) -> Holding | None:
    """Read the resources that a process holds now; None if it is gone."""
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
    """Return whether a process runs or is stopped; a zombie does not run."""
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


@dataclass(frozen=True, slots=True)
class Life:
    """Resources of one process over its life, from `SETTLED` looks after its start."""

    role: str
    seconds: float
    held: tuple[Holding, ...]

    def parts(self, count: int) -> list[Holding]:
        """The medians of so many equal parts of it; of fewer when there were fewer looks."""
        count = min(count, len(self.held))
        bounds = [len(self.held) * number // count for number in range(count + 1)]
        return [_median(self.held[begin:end]) for begin, end in itertools.pairwise(bounds)]

    @property
    def grown(self) -> str | None:
        """The growth from the second quarter to the last one, or `nothing`; None if the life is too short.

        Caches and pools fill in the first quarter.
        """
        if self.seconds < JUDGED_FROM or len(self.held) < 4:
            return None
        _, before, _, after = self.parts(4)
        grown = [
            f"{name} {getattr(before, name):g} → {getattr(after, name):g}"
            for name, margin in _MARGINS.items()
            if getattr(after, name) - getattr(before, name) > margin
        ]
        return ", ".join(grown) or "nothing"


@dataclass
class Growth:
    """Looks at processes by role over time."""

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

    def lives(self) -> list[Life]:
        """Every process that was seen in a role, by role, the one that was seen for longest first."""
        seen: dict[tuple[str, int], list[Look]] = defaultdict(list)
        for look in self.looks:
            seen[look.role, look.pid].append(look)
        lives = [
            Life(role, looks[-1].at - looks[0].at, tuple(look.held for look in looks))
            for (role, _), looks in seen.items()
        ]
        return sorted(lives, key=lambda life: (life.role, -life.seconds))


def _median(held: Sequence[Holding]) -> Holding:
    return Holding(
        round(statistics.median(each.memory for each in held), 1),
        round(statistics.median(each.threads for each in held)),
        round(statistics.median(each.files for each in held)),
        round(statistics.median(each.sockets for each in held)),
    )
