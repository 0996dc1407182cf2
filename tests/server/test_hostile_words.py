"""No word of anybody else stands outside the fence, but in a short name that is marked as one.

Every tool is called in worlds in which each field that others fill is hostile (`hostile.py`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from mcp import Client, MCPError
from mcp.shared.uri_template import UriTemplate
from mcp.types import CallToolResult, TextResourceContents

from tests.core import CORE_TOOLS
from tests.server.everything import GOOD, Arguments, Everything
from tests.server.fakes import CODE, FENCE, FakeSource, text_of
from tests.server.hostile import CHANNEL, WORDS, Hostile, HostileArchive, HostileDevice, evil
from tests.tables import for_each
from whatsapp_mcp.policy import clean
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import ToolSpec, resource_spec_of
from whatsapp_mcp.server.calls.results import DATA_LIMIT
from whatsapp_mcp.server.fencing import LIMIT, NAME, chosen_name
from whatsapp_mcp.server.tool_resources import RESOURCES
from whatsapp_mcp.settings import Settings

pytestmark = pytest.mark.anyio
VARIANTS = range(18)
ARGUMENTS: Mapping[str, Any] = {
    "chat": "person", "contact": "person", "sender": "person", "members": ["person"], "channel": CHANNEL,
    "community": "community", "parent": "community", "message": "#1",
    "wait": 0,
}  # fmt: skip
"""Values by a parameter's name; what is not here is as in `GOOD`."""
A_NAME = re.compile(rf"[^\n:;,()\[\]{{}}<>#\"“”]{{0,{NAME}}}")
AN_ID = re.compile(r"[\w.@:+=/?-]{1,64}")
QUOTED = re.compile("“[^”]*”")


class World:
    """What `GOOD` asks for."""

    def __init__(self, file: str) -> None:
        self.refs = defaultdict[str, str](lambda: "#1")
        self.links = defaultdict[str, str](lambda: "https://chat.whatsapp.com/AAAABBBBCCCCDDDDEEEEFF")
        self.links["news"] = "https://whatsapp.com/channel/0029VaAAAAAAAAAAAAAA"
        self.planned = 1
        self._file = file

    def file(self, _name: str, _content: bytes) -> str:
        """The one file there is."""
        return self._file

    def shared(self, name: str, _text: str) -> str:
        """A file in an allowed folder."""
        return str(shared_of(Path(self._file)) / name)


def arguments(tool: ToolSpec, good: Arguments, file: str, variant: int) -> dict[str, Any]:
    """Arguments with which the tool does its work; `good` are those of a friendly world."""
    values = dict(good(cast("Everything", World(file))) if callable(good) else good)
    values |= {name: value for name, value in ARGUMENTS.items() if name in values}
    if tool.name == "send_file":
        values = dict[str, Any](chat="person", path=file)
    if tool.name == "vote_poll":
        values["options"] = [chosen_name(evil(variant))]
    if tool.toolset == "groups" and "chat" in values and "link" not in tool.name:
        values["chat"] = "group"
    return values


def file_of(home: Path) -> Path:
    """A file that may be sent."""
    folder = Settings(home=home).account_folder().media
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "plan.txt"
    file.write_bytes(b"x")
    return file


def shared_of(file: Path) -> Path:
    """A folder that the settings allow, with an exported chat in it."""
    folder = file.parents[3].with_name("shared")
    folder.mkdir(exist_ok=True)
    (folder / "chat.txt").touch()
    return folder


def parted(text: str) -> tuple[list[str], list[str]]:
    """The lines outside and inside the fence, which opens and closes once at most."""
    lines = text.splitlines()
    assert lines.count(FENCE[0]) == lines.count(FENCE[1]) <= 1
    if FENCE[0] not in lines:
        return lines, []
    begin, end = lines.index(FENCE[0]), lines.index(FENCE[1])
    return [*lines[:begin], *lines[end + 1 :]], lines[begin + 1 : end]


def seems_a_tag(text: str) -> bool:
    """Whether a reader may take something in it for the fence."""
    return (
        re.search("</?messages", unicodedata.normalize("NFKC", text).casefold().replace(" ", "")) is not None
    )


def leaked(text: str, *, marked: bool) -> list[str]:
    """What of the hostile text stands in words of ours, other than as a name or an id.

    Args:
        text: Ours.
        marked: Whether a name needs a mark before it.
    """
    found: list[str] = []
    for begin in (each.start() for each in re.finditer(r"zq0(?!\d)", text)):
        last, end, limit = 0, begin + 3, (text + "zq0").find("zq0", begin + 3)
        while last < WORDS and (place := text.find(f"zq{last + 1}", end, min(end + 60, limit))) >= 0:
            last, end = last + 1, place + len(f"zq{last + 1}")
        a_name = A_NAME.fullmatch(text[begin:end]) and (not marked or text[begin - 1] in "~“")
        if not (a_name or AN_ID.fullmatch(text[begin:end])):
            found.append(text[begin - 1 : end])
        text = f"{text[:begin]}{'.' * (end - begin)}{text[end:]}"
    return found + re.findall(r"zq\d+", text)


def strings(value: Any) -> Iterator[str]:
    """All texts in structured content, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from (key, *strings(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


async def answers(tool: ToolSpec, good: Arguments, home: Path) -> list[CallToolResult]:
    """What the tool answers in each hostile world."""
    file = str(file_of(home))
    hostile = Hostile(0, file)
    source = FakeSource(
        HostileDevice(hostile),  # pyright: ignore[reportArgumentType]
        HostileArchive(hostile),  # pyright: ignore[reportArgumentType]
        home,
        roots=(shared_of(Path(file)),),
    )
    served = create(source, functions=[tool.function], structured=True, new_code=lambda: CODE)
    told: list[CallToolResult] = []
    async with Client(served) as client:
        for hostile.variant in VARIANTS:
            answer = await client.call_tool(tool.name, arguments(tool, good, file, hostile.variant))
            assert isinstance(answer, CallToolResult)
            told.append(answer)
    return told


def assert_kept_apart(text: str, home: Path) -> None:
    """Nobody else's words stand in this answer where ours stand."""
    assert len(text) <= LIMIT
    outside, inside = parted(re.sub(rf"{re.escape(str(home))}[\w./-]{{1,160}}", "PATH", text))
    assert not seems_a_tag("\n".join(outside + inside))
    assert leaked("\n".join(outside), marked=True) == []
    heads = [QUOTED.sub("", line.partition(": ")[0]) for line in inside]
    assert [found for head in heads for found in leaked(head, marked=False)] == []


@for_each("tool", sorted(CORE_TOOLS))
async def test_nobody_elses_words_pass_for_ours(tool: str, tmp_path: Path) -> None:
    await assert_fenced(CORE_TOOLS[tool], GOOD[tool], tmp_path)


async def assert_fenced(tool: ToolSpec, good: Arguments, tmp_path: Path) -> None:
    """Nobody else's words stand in any answer of a tool where ours stand."""
    told = await answers(tool, good, tmp_path)
    assert not all(answer.is_error for answer in told), text_of(told[0].content)
    for answer in told:
        text, data = text_of(answer.content), answer.structured_content or {}
        assert "Something in this server failed" not in text
        assert_kept_apart(text, tmp_path)
        others = [each.model_dump(mode="json") for each in answer.content if each.type != "text"]
        assert leaked(json.dumps(others), marked=True) == []
        assert len(json.dumps(data, ensure_ascii=False)) <= DATA_LIMIT
        assert [each for each in strings(data) if clean(each) != each] == []


@for_each("template", sorted(resource_spec_of(each).template for each in RESOURCES))
async def test_nobody_elses_words_pass_for_ours_in_a_resource(template: str, tmp_path: Path) -> None:
    uri = UriTemplate.parse(template).expand({"jid": "15550004444@s.whatsapp.net", "ref": "1"})
    hostile = Hostile(0, str(file_of(tmp_path)))
    source = FakeSource(HostileDevice(hostile), HostileArchive(hostile), tmp_path)  # pyright: ignore[reportArgumentType]
    async with Client(create(source, "core", new_code=lambda: CODE)) as client:
        told: list[str] = []
        refused: list[str] = []
        for hostile.variant in VARIANTS:
            try:
                contents = (await client.read_resource(uri)).contents
            except MCPError as error:
                refused.append(error.error.message)
            else:
                told += [each.text for each in contents if isinstance(each, TextResourceContents)]
    assert [found for text in refused for found in leaked(text, marked=True)] == []
    assert told or template == "whatsapp://media/{ref}"
    for text in told:
        assert_kept_apart(text, tmp_path)
