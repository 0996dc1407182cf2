"""What the server offers without further settings: the tools of `core`, and the skills as they then read."""

from __future__ import annotations

from whatsapp_mcp.server.calls import spec_of
from whatsapp_mcp.server.prompts import skill_files
from whatsapp_mcp.server.tools import toolsets


def core_tools() -> dict[str, str]:
    """The first sentence about each tool, by name."""
    specs = [spec_of(function) for function in toolsets.load_tools("core")]
    return {
        spec.name: spec.description.partition("\n")[0] for spec in sorted(specs, key=lambda one: one.name)
    }


def skills() -> dict[str, str]:
    """The text of each `SKILL.md`, by the skill's name."""
    return skill_files(core_tools().__contains__)
