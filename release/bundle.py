"""The MCPB bundle: one file that Claude Desktop installs by a double click.

Its form is described at https://github.com/modelcontextprotocol/mcpb (MANIFEST.md). The server type is `uv`:
the application brings uv, which fetches a Python and the packages for the system at hand. With the packages
inside, there would have to be one bundle, of about 60 MB, for each system and Python.
"""

from __future__ import annotations

import json
from typing import Any, Final

from release.project import Project

ENTRY_POINT: Final = "server.py"
_SERVER: Final = '''\
"""Starts the server, with the Python and the packages that uv has set up for this bundle."""

from whatsapp_mcp.cli import main

if __name__ == "__main__":
    main()
'''
_TOOLSETS: Final = "WHATSAPP_MCP_SERVER__TOOLSETS"


def bundle_name(project: Project) -> str:
    """The name of the file."""
    return f"{project.name}-{project.version}.mcpb"


def bundle_files(
    project: Project, wheel: tuple[str, bytes], pins: str, tools: dict[str, str], about: str
) -> dict[str, bytes]:
    """What is in the bundle, by path.

    Args:
        project: What is released.
        wheel: The name and the content of the wheel.
        pins: The lock file of the runtime.
        tools: The description of each tool that is offered without further settings, by name.
        about: What a person reads before installing, as Markdown.
    """
    name, content = wheel
    return {
        "manifest.json": (json.dumps(_manifest(project, tools, about), indent=2) + "\n").encode(),
        "pyproject.toml": _pyproject(project, name, pins).encode(),
        ENTRY_POINT: _SERVER.encode(),
        name: content,
    }


def _manifest(project: Project, tools: dict[str, str], about: str) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "manifest_version": "0.4",
        "name": project.name,
        "display_name": "WhatsApp",
        "version": project.version,
        "description": project.description,
        "long_description": about,
        "author": {"name": project.author},
        "license": project.licence,
        "keywords": list(project.keywords),
        "server": {
            "type": "uv",
            "entry_point": ENTRY_POINT,
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", ENTRY_POINT],
                "env": {_TOOLSETS: "${user_config.toolsets}"},
            },
        },
        "tools": [{"name": tool, "description": text} for tool, text in tools.items()],
        "tools_generated": True,
        "compatibility": {"platforms": ["darwin", "linux", "win32"]},
        "user_config": {
            "toolsets": {
                "type": "string",
                "title": "Toolsets",
                "description": "Which tools the model is offered, separated by commas: core, messages, "
                "groups, contacts, chats, profile, channels, planning; or all.",
                "default": "core",
                "required": False,
            }
        },
    }
    if project.repository is not None:
        manifest["repository"] = {"type": "git", "url": f"{project.repository}.git"}
        manifest["support"] = f"{project.repository}/issues"
    return manifest


def _pyproject(project: Project, wheel: str, pins: str) -> str:
    """A project that is not installed itself, with the wheel beside it and every version pinned."""
    pinned = [line.split(" \\")[0].strip() for line in pins.splitlines() if line[:1].isalnum()]
    constraints = "".join(f"    {json.dumps(pin)},\n" for pin in pinned)
    return f"""\
[project]
name = "{project.name}-bundle"
version = "{project.version}"
requires-python = "{project.requires_python}"
dependencies = ["{project.name}"]

[tool.uv]
package = false
constraint-dependencies = [
{constraints}]

[tool.uv.sources]
{project.name} = {{ path = "{wheel}" }}
"""
