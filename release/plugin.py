"""The Claude Code plugin: the server, and the skills that it offers, in the form of a plugin.

Its form is described at https://code.claude.com/docs/en/plugins-reference.
"""

from __future__ import annotations

import json
from typing import Any, Final

from release.links import SERVER
from release.project import Project

_README: Final = """\
# WhatsApp for Claude Code

Reads, searches and sends your WhatsApp messages from Claude Code. A server on this computer becomes a linked
device of your phone, as WhatsApp Web does, and keeps its archive here. What would reach a stranger waits for
your yes.

It needs uv, with which it fetches itself. To begin, say: *link my WhatsApp*. A code appears, which your phone
scans under **Settings (iPhone) or the ⋮ menu (Android) → Linked devices**. Then ask who waits for you, or use
one of the skills, such as `catch-up`.

It is an unofficial client: WhatsApp may limit or ban an account that uses one.
"""


def plugin_files(project: Project, skills: dict[str, str]) -> dict[str, bytes]:
    """What is in the plugin, by path.

    Args:
        project: What is released.
        skills: The text of each `SKILL.md`, by the skill's name.
    """
    about: dict[str, Any] = {
        "name": SERVER,
        "version": project.version,
        "description": project.description,
        "author": {"name": project.author},
        "license": project.licence,
        "keywords": list(project.keywords),
    }
    if project.repository is not None:
        about |= {"repository": project.repository, "homepage": project.repository}
    servers = {"mcpServers": {SERVER: {"command": "uvx", "args": [f"{project.name}@{project.version}"]}}}
    files = {
        ".claude-plugin/plugin.json": _json(about),
        ".mcp.json": _json(servers),
        "README.md": _README.encode(),
    }
    return files | {f"skills/{name}/SKILL.md": text.encode() for name, text in skills.items()}


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
