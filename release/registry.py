"""`server.json`: the entry in the MCP registry.

Its form is described at https://github.com/modelcontextprotocol/registry (docs/reference/server-json).
"""

from __future__ import annotations

from typing import Any, Final

from release.project import Project

SCHEMA: Final = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
_NOWHERE: Final = "invalid.unpublished"
"""The namespace of a dry run; nobody owns a name below `.invalid` (RFC 2606)."""
_HOSTS: Final = {"github.com": "github", "gitlab.com": "gitlab"}


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
