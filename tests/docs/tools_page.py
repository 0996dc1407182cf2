"""Generates docs/tools.md from the registry: `python -m tests.docs.tools_page`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mcp.server.mcpserver.tools import Tool

from whatsapp_mcp.server.calls import build, spec_of
from whatsapp_mcp.server.tools import toolsets

PAGE = Path(__file__).parents[2] / "docs" / "tools.md"
HEAD = """\
# Tools

The tools that an agent can call. This page is generated from the code (`python -m tests.docs.tools_page`);
a test fails when it is out of date.

A tool returns [short text](toolsets.md#answers-are-short-text) for the model. `chat` is a name, a phone
number or a JID. A message is identified by its ref (`#1042`) or its id.
A ref given as `chat` names the chat that the message is in. To act there, the ref of somebody else's message
in a group is refused, because its author may be meant: the error spells out `chat` for both.
In texts, `me` is the owner of the account. A `~` precedes the name of somebody who is not in the owner's
address book, as in WhatsApp; names of groups and channels are in quotes. Text by other people stands
between `<messages N>` and `</messages N>`, where N is new in each answer. In each line the author is named
before the first `: `, with `(forwarded, author unknown)` if the author forwarded the text. A text has at
most 40,000 characters, and says what was left out. A tool that fails returns an error code: see
[troubleshooting.md](troubleshooting.md#by-error-code).

What strangers wrote, and what others passed on, is withheld from lists, searches and waits, unless
`policy.mode` is `open`: `[a stranger wrote (2 messages): open #12]`. `get_message_context` of that ref opens
it, and so does `list_messages`, `search_messages` or `wait_for_messages` that names the stranger's own chat,
and `download_media`. After that, whatever others would see is asked about first. A search counts its hits in
words that are withheld and gives the refs that open them; it counts none in chats of which a rule says `ask`
or `deny`, in `lockdown`, and for an agent that is bound to one chat. Names that strangers chose, and those of
groups and channels, are cut to three words and 25 characters, without links and long numbers. One-time codes
are hidden; `reveal` has the user asked for one.

In a page of more than 40 messages of one chat, a line without a name has the same sender as the line above.
`list_messages` takes a `limit` of up to 500: a page of more than 200 ends where the answer is full, and
`cursor` continues from there.

An optional argument that is null or an empty string counts as not given. A host that must give every
argument, as in OpenAI's strict mode, can leave one unset with an empty string or list, `false` or 0, or the
first value of a choice (`any`, `keep`, `auto`); if this page gives a default, with that default.
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
                "read-only"
                if spec.reads
                else "changes something, possibly destructive"
                if spec.destructive
                else "changes something"
            )
            sections.append(f"### `{name}`\n\n{spec.description}\n\n*{what}*{_arguments(tools[name])}")
    return "\n".join(sections)


def _arguments(tool: Tool) -> str:
    properties: dict[str, dict[str, Any]] = tool.parameters.get("properties", {})
    required = set(tool.parameters.get("required", ()))
    if not properties:
        return "\n"
    lines = ["\n"]
    for name, schema in properties.items():
        notes = [str(schema["description"])] if "description" in schema else []
        notes += [" or ".join(schema["enum"])] if "enum" in schema else []
        notes += ["required"] if name in required else []
        if (default := schema.get("default", "")) != "":
            notes.append(f"default {default if isinstance(default, str) else json.dumps(default)}")
        lines.append(f"* `{name}`: {'; '.join(notes)}" if notes else f"* `{name}`")
    return "\n".join(lines) + "\n"


def _nobody() -> Any:
    """A stand-in for the server: tools are only described here, never run."""
    return None


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
