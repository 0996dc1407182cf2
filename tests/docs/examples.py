"""The examples of the pages: which there are, and how one for a shell is run."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from tests.docs import site

FENCE = re.compile(
    r"(?m)^(?P<mark>[^\n]*)\n(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)\n *```$", re.DOTALL
)
MARK = re.compile(r"^ *<!-- (?P<how>run by|only read:|a drawing)(?P<what>.*) -->$")
PROGRAMS = {
    name: importlib.import_module(f"{package}.cli.app").app
    for name, package in (("whatsapp-mcp", "whatsapp_mcp"), ("whatsapp-mcp-fleet", "whatsapp_fleet"))
    if (site.ROOT / package).exists()
}
EXIT_CODES = {"status": {0, 1}, "doctor": {0, 1}}
"""Commands whose exit code says how things are; the others have to succeed."""
LIMIT = 60.0


@dataclass(frozen=True)
class Example:
    """A fenced block of a page.

    Attributes:
        page: The file.
        language: Of the fence; empty if it has none.
        body: The lines between the fences.
        run_by: The test that runs it, or makes it and compares, as a path in the repository.
        only_read: Why its lines are only read by the programs that would run them.
        is_drawing: Whether nothing could run it.
    """

    page: Path
    language: str
    body: str
    run_by: str | None = None
    only_read: str | None = None
    is_drawing: bool = False

    @property
    def name(self) -> str:
        """The page and the first line."""
        return f"{site.place_of(self.page)}: {self.body.strip().partition(chr(10))[0][:50]}"


def examples(page: Path) -> Iterator[Example]:
    """Every fenced block of a page, with the comment in the line above it."""
    for found in FENCE.finditer("\n" + page.read_text(encoding="utf-8")):
        indent = len(found["indent"])
        body = "\n".join(line[indent:] for line in found["body"].splitlines())
        mark = MARK.match(found["mark"])
        said = {mark["how"]: mark["what"].strip()} if mark else {}
        yield Example(
            page,
            found["language"],
            body,
            said.get("run by"),
            said.get("only read:"),
            is_drawing="a drawing" in said,
        )


def all_examples() -> list[Example]:
    """The blocks of every page and of the README."""
    return [example for page in [site.ROOT / "README.md", *site.pages()] for example in examples(page)]


def run(example: Example) -> str:
    """Run the lines of an example one after the other, in the current folder; what they have printed.

    Raises:
        AssertionError: A line has failed.
    """
    printed = ""
    for line in example.body.splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0] in PROGRAMS:
            done = CliRunner().invoke(PROGRAMS[words[0]], words[1:], input="y\n", prog_name=words[0])
            assert done.exit_code in EXIT_CODES.get(words[1], {0}), (line, done.output)
            printed += done.output
        elif words:
            ended = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", line],
                env=dict(os.environ),
                capture_output=True,
                text=True,
                timeout=LIMIT,
                check=False,
            )
            assert ended.returncode == 0, (line, ended.stderr)
            printed += ended.stdout
    return printed
