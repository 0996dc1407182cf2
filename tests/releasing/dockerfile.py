"""Reads a Dockerfile: its stages, and the instructions of each."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

KNOWN = frozenset("FROM ARG WORKDIR COPY RUN ENV USER VOLUME EXPOSE HEALTHCHECK CMD".split())


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word in capitals, and what follows it in one line."""

    word: str
    rest: str

    @property
    def command(self) -> list[str]:
        """The command of a `CMD`, also of one in a `HEALTHCHECK`, in its JSON form."""
        return json.loads(self.rest[self.rest.index("[") :])


def stages(dockerfile: Path) -> list[list[Instruction]]:
    """The instructions of each stage, which begins with its `FROM`.

    Raises:
        ValueError: An instruction is not among `KNOWN`.
    """
    lines = [line for line in dockerfile.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    found: list[list[Instruction]] = []
    for line in re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines():
        word, _, rest = line.partition(" ")
        if not word:
            continue
        if word not in KNOWN:
            raise ValueError(f"{word} is not known")
        if word == "FROM":
            found.append([])
        found[-1].append(Instruction(word, rest.strip()))
    return found


def variables(stage: list[Instruction]) -> dict[str, str]:
    """The variables that a stage sets, not expanded."""
    text = " ".join(one.rest for one in stage if one.word == "ENV")
    return dict(pair.split("=", 1) for pair in text.split())
