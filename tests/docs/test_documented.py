"""Everything that somebody can meet is documented: error codes, states, settings, tools, commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel

from tests.command_line import COMMANDS
from tests.core import is_of_core
from tests.docs import feature_pages, site
from whatsapp_mcp import errors
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.server.calls import spec_of
from whatsapp_mcp.server.tools import toolsets
from whatsapp_mcp.settings import Settings


@dataclass(frozen=True)
class Kind:
    """Names of one kind, and where each has to be explained.

    Attributes:
        page: The page that explains them.
        there_are: The names in the code.
        row: What stands on the page where a name is explained; its first group is the name.
    """

    page: str
    there_are: Callable[[], Iterable[str]]
    row: str

    def explained(self, text: str) -> set[str]:
        """The names that a text explains."""
        return set(re.findall(self.row, text, re.MULTILINE))


def error_codes() -> set[str]:
    """The code of each error of the tree but its root."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    root = errors.WhatsAppError
    return {kind.code for kind in kinds if issubclass(kind, root) and kind is not root}


def settings(model: BaseModel | None = None, prefix: str = "") -> set[str]:
    """The keys of `config.toml`."""
    model = Settings(home=Path("/home")) if model is None else model
    found: set[str] = set()
    for name in type(model).model_fields:
        value = getattr(model, name)
        found |= settings(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else {f"{prefix}{name}"}
    return found - {"home"}


def tools() -> set[str]:
    """The tools of every toolset."""
    return {spec_of(each).name for each in toolsets.load_tools(toolsets.ALL_TOOLSETS)}


def commands() -> set[str]:
    """Every command with the one above it, such as `token create`."""
    below = {
        f"{name} {each}"
        for name, command in COMMANDS.items()
        for each, inner in getattr(command, "commands", {}).items()
        if is_of_core(inner.callback)
    }
    return {*COMMANDS, *below}


KINDS = {
    "error code": Kind("troubleshooting.md", error_codes, r"^\| `([A-Z_]+)` \| .+ \| .+ \|$"),
    "state": Kind("troubleshooting.md", lambda: [*ConnectionState], r"^\| `([a-z]+)` \| .+ \| .* \| .* \|$"),
    "setting": Kind("settings.md", settings, r"^\| `([a-z_.]+)` \| [^|]+ \| .+ \|$"),
    "tool": Kind("tools.md", tools, r"^### `(\w+)`$"),
    "command": Kind("commands.md", commands, r"`(?:whatsapp-mcp )?([a-z][a-z -]*[a-z])(?: [A-Z][^`]*)?`"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_explained_and_nothing_else(kind: str) -> None:
    explained = KINDS[kind].explained((site.DOCS / KINDS[kind].page).read_text(encoding="utf-8"))
    there_are = {*KINDS[kind].there_are()}
    assert there_are != set()
    assert there_are - explained - KINDS[kind].explained(feature_pages.text()) == set()
    if kind != "command":  # whose pattern fits other words of the page too
        assert explained - there_are == set()
