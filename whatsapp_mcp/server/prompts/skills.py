"""The workflows as Agent Skills, served by the Skills extension of MCP (SEP-2640).

A skill is one file, `skill://NAME/SKILL.md`: a resource like any other, whose SHA-256 the listing tells, so
that a host can check what it loads. See https://modelcontextprotocol.io/extensions/skills/overview
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from mcp.server.extension import Extension, MethodBinding, ResourceBinding
from mcp.server.mcpserver.resources import FunctionResource
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, PaginatedRequestParams, RequestParams

from whatsapp_mcp.server.prompts.workflows import WORKFLOWS, Workflow

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext

_BY_URI: Final = {f"skill://{one.skill}/SKILL.md": one for one in WORKFLOWS}
_CACHED: Final = {"ttlMs": 3_600_000, "cacheScope": "public"}
"""The files change with the version and the selected toolsets alone, and are the same for everybody."""


class GetSkillParams(RequestParams):
    """Which skill: the URI of its SKILL.md."""

    uri: str


class Skills(Extension):
    """Skills for the tools that are offered.

    Args:
        offers: Whether there is a tool of this name.
    """

    identifier = "io.modelcontextprotocol/skills"

    def __init__(self, offers: Callable[[str], bool]) -> None:
        self._offers = offers

    def resources(self) -> Sequence[ResourceBinding]:
        """The files."""
        return [
            ResourceBinding(
                FunctionResource(
                    fn=partial(skill_file, one, self._offers),
                    uri=uri,
                    name=one.skill,
                    title=one.title,
                    description=one.description,
                    mime_type="text/markdown",
                )
            )
            for uri, one in _BY_URI.items()
        ]

    def methods(self) -> Sequence[MethodBinding]:
        """`skills/list` and `skills/get`."""
        return [
            MethodBinding("skills/list", PaginatedRequestParams, self._list),
            MethodBinding("skills/get", GetSkillParams, self._get),
        ]

    async def _list(self, _: ServerRequestContext[Any, Any], __: PaginatedRequestParams) -> dict[str, Any]:
        return {"skills": [self._entry(uri) for uri in _BY_URI], **_CACHED}

    async def _get(self, _: ServerRequestContext[Any, Any], params: GetSkillParams) -> dict[str, Any]:
        if params.uri not in _BY_URI:
            raise MCPError(INVALID_PARAMS, "There is no such skill.", {"uri": params.uri})
        return {"skill": self._entry(params.uri), **_CACHED}

    def _entry(self, uri: str) -> dict[str, Any]:
        one = _BY_URI[uri]
        content = skill_file(one, self._offers).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return {
            "uri": uri,
            "frontmatter": _frontmatter(one),
            "resources": [{"uri": uri, "digest": digest, "size": len(content)}],
        }


def skill_files(offers: Callable[[str], bool]) -> dict[str, str]:
    """The text of every SKILL.md, by the skill's name, where `offers` says which tools there are."""
    return {one.skill: skill_file(one, offers) for one in WORKFLOWS}


def _frontmatter(workflow: Workflow) -> dict[str, str]:
    return {"name": workflow.skill, "description": workflow.description}


def skill_file(workflow: Workflow, offers: Callable[[str], bool]) -> str:
    """The SKILL.md of a workflow: frontmatter, in which a JSON string is a YAML string, and its steps."""
    fields = "\n".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in _frontmatter(workflow).items()
    )
    steps = workflow.text({}, offers)
    return f"---\n{fields}\n---\n\n# {workflow.title}\n\nWith the tools of the WhatsApp server:\n\n{steps}\n"
