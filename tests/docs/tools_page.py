"""Writes docs/tools.md from the registry: `python -m tests.docs.tools_page`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mcp.server.mcpserver.tools import Tool

from whatsapp_mcp.server.calls.registry import build, spec_of
from whatsapp_mcp.server.tools import toolsets

PAGE = Path(__file__).parents[2] / "docs" / "tools.md"
HEAD = """\
# Tools

What an agent can call. This page is written from the code (`python -m tests.docs.tools_page`); a test fails
when it is old.

A tool answers text for the model; with `serve --structured` also the same facts as data for programs. `chat`
is a name, a phone number or a jid; a message is named by its ref (`#1042`) or its id. In texts `me` is the
owner of the account, a `~` stands before the name of somebody who is not in the owner's address book, as in
WhatsApp, and the names of groups and channels stand in quotes. What other people wrote stands between
`<messages N>` and `</messages N>`, where N is new in each answer: in each line the author is named before the
first `: `, with `(forwarded, author unknown)` where they passed it on. A text has at most 40,000 characters,
and says what was left out. What fails says so with a code: see
[troubleshooting.md](troubleshooting.md#by-error-code).

A page of more than 40 messages of one chat is written shorter. In it a line without a name is of the sender
of the line above, one without a time of the same minute (`:05` is in the same hour), and one without a ref
has the next number; after three such lines the ref is told again. Words that could pass for such a line,
because they hold a `: ` or a ref, have everything before them. `list_messages` takes a `limit` of up to 500:
a page of more than 200 ends where the answer is full, and `cursor` goes on from there.

An optional argument that is null or an empty string was not given. A host that has to give every argument, as
under OpenAI's strict mode, leaves one as it is with an empty string or list, with `false` or 0, or with the
first word of a choice (`any`, `keep`, `auto`); where a default stands here, with that.
"""


def render() -> str:
    """The whole page."""
    sections = [HEAD]
    for toolset in toolsets.TOOLSETS:
        functions = toolsets.load_tools(toolset)
        specs = {spec_of(function).name: spec_of(function) for function in functions}
        tools = {tool.name: tool for tool in build(functions, _nobody())}
        sections.append(f"## Toolset `{toolset}`\n")
        for name in sorted(specs):
            spec = specs[name]
            what = (
                "reads" if spec.reads else "acts, and may take something away" if spec.destructive else "acts"
            )
            sections.append(f"### `{name}`\n\n{spec.description}\n\n*{what}*{_arguments(tools[name])}")
    return "\n".join(sections)


def _arguments(tool: Tool) -> str:
    properties: dict[str, dict[str, Any]] = tool.parameters.get("properties", {})
    needed = set(tool.parameters.get("required", ()))
    if not properties:
        return "\n"
    lines = ["\n"]
    for name, schema in properties.items():
        notes = [str(schema["description"])] if "description" in schema else []
        notes += [" or ".join(schema["enum"])] if "enum" in schema else []
        notes += ["needed"] if name in needed else []
        if (default := schema.get("default", "")) != "":
            notes.append(f"default {default if isinstance(default, str) else json.dumps(default)}")
        lines.append(f"* `{name}`: {'; '.join(notes)}" if notes else f"* `{name}`")
    return "\n".join(lines) + "\n"


def _nobody() -> Any:
    """Tools are only described here, never run."""
    return None


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
