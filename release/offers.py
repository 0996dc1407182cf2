"""Files for hosts and the registry: a bundle for Claude Desktop, a Claude Code plugin, `server.json`.

Their forms are described at https://github.com/modelcontextprotocol/mcpb (MANIFEST.md),
https://code.claude.com/docs/en/plugins-reference and
https://github.com/modelcontextprotocol/registry (docs/reference/server-json).
"""

from __future__ import annotations

import json
from typing import Any, Final

from release.checks import Project
from whatsapp_mcp.server.calls import spec_of
from whatsapp_mcp.server.prompts import skill_files
from whatsapp_mcp.server.tools import toolsets

SERVER: Final = "whatsapp"
ENTRY_POINT: Final = "server.py"
_SERVER: Final = '''\
"""Starts the server, with the Python and the packages that uv has set up for this bundle."""

from whatsapp_mcp.cli import main

if __name__ == "__main__":
    main()
'''
_TOOLSETS: Final = "WHATSAPP_MCP_SERVER__TOOLSETS"
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
SCHEMA: Final = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
_NOWHERE: Final = "invalid.unpublished"
"""The namespace of a dry run; nobody owns a name below `.invalid` (RFC 2606)."""
_HOSTS: Final = {"github.com": "github", "gitlab.com": "gitlab"}


def core_tools() -> dict[str, str]:
    """The first sentence about each tool, by name."""
    specs = [spec_of(function) for function in toolsets.load_tools("core")]
    return {
        spec.name: spec.description.partition("\n")[0] for spec in sorted(specs, key=lambda one: one.name)
    }


def skills() -> dict[str, str]:
    """The text of each `SKILL.md`, by the skill's name."""
    return skill_files(core_tools().__contains__)


def bundle_name(project: Project) -> str:
    """The name of the file."""
    return f"{project.name}-{project.version}.mcpb"


def bundle_files(
    project: Project, wheel: tuple[str, bytes], pins: str, tools: dict[str, str], about: str
) -> dict[str, bytes]:
    """Return the files of the bundle, by path.

    Args:
        project: What is released.
        wheel: The name and the content of the wheel.
        pins: The lock file of the runtime.
        tools: The description of each tool that is offered without further settings, by name.
        about: What a person reads before installing, as Markdown.
    """
    name, content = wheel
    return {
        "manifest.json": _json(_manifest(project, tools, about)),
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


def plugin_files(project: Project, skills: dict[str, str]) -> dict[str, bytes]:
    """Return the files of the plugin, by path.

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


def server_name(project: Project) -> str:
    """The name in the registry: the repository's owner proves that the namespace is theirs."""
    if project.repository is None:
        return f"{_NOWHERE}/{project.name}"
    host, owner = project.repository.removeprefix("https://").split("/")[:2]
    domain = "io.github" if host == "github.com" else ".".join(reversed(host.split(".")))
    return f"{domain}.{owner}/{project.name}"


def server_json(project: Project, bundle: str, bundle_digest: str) -> dict[str, Any]:
    """The entry.

    Args:
        project: What is released.
        bundle: The name of the MCPB file.
        bundle_digest: Its SHA-256, in hexadecimal digits.
    """
    stdio = {"type": "stdio"}
    packages: list[dict[str, Any]] = [
        {
            "registryType": "pypi",
            "identifier": project.name,
            "version": project.version,
            "runtimeHint": "uvx",
            "transport": stdio,
        }
    ]
    entry: dict[str, Any] = {
        "$schema": SCHEMA,
        "name": server_name(project),
        "title": "WhatsApp",
        "description": project.description,
        "version": project.version,
        "packages": packages,
    }
    if project.repository is not None:
        host = project.repository.removeprefix("https://").partition("/")[0]
        entry["repository"] = {"url": project.repository, "source": _HOSTS.get(host, host)}
        packages.append(
            {
                "registryType": "mcpb",
                "identifier": f"{project.repository}/releases/download/v{project.version}/{bundle}",
                "fileSha256": bundle_digest,
                "transport": stdio,
            }
        )
    return entry
