"""Nothing that is withheld is in anything that a model gets: answers, errors, resources, notifications.

Every tool that is offered is called with the address of every message, person and chat, with each of its
options, and with wrong values; what is asked of the person is then waited for, refused, or agreed to. Each
call is another agent's, so that what it was shown can be told from what was written down of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from mcp import Client, MCPError
from mcp.shared.uri_template import UriTemplate
from mcp.types import (
    CallToolResult,
    Implementation,
    PromptReference,
    ResourceTemplateReference,
    TextResourceContents,
    Tool,
)

from tests.injections.withheld import CANARY, CODE, Withheld, withheld
from tests.server.card_host import APPS
from tests.server.fakes import text_of
from tests.server.test_refusals import LONG, WRONG
from whatsapp_mcp.device.leader.observer import leading_device
from whatsapp_mcp.device.operations import Device, approvals
from whatsapp_mcp.ledger import Exposure, Ledger, open_ledger
from whatsapp_mcp.policy import Effect
from whatsapp_mcp.server.subscriptions import CHATS as ALL_CHATS
from whatsapp_mcp.server.subscriptions import MESSAGES as MESSAGES_OF
from whatsapp_mcp.server.subscriptions import UNREAD
from whatsapp_mcp.server.tools.toolsets import declared
from whatsapp_mcp.settings import Settings

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]

MESSAGES: Final = frozenset({"message", "reply_to"})
"""Parameters that name a message."""
CHATS: Final = frozenset(
    {
        "chat", "contact", "sender", "channel",
        "community", "parent", "members", "mentions",
    }
)  # fmt: skip
"""Parameters that name a chat or a person, or several."""
VALUES: Final[Mapping[str, Any]] = {
    "about": "hi", "address": "Quay", "after": 2, "album": ["boat.png", "boat.png"], "approval": "",
    "at": "2h", "available": False, "before": 2, "caption": "hi", "context": 2, "cursor": "w1",
    "data": "QUFB", "description": "hi", "duration": "24h", "emoji": "👍", "file": "data:,QUFB",
    "file_name": "a.txt", "idempotency_key": "k",
    "include_context": True, "include_last_message": True, "context_before": 1, "context_after": 1,
    "kind": "document", "latitude": 1.5, "limit": 50, "link": "https://chat.whatsapp.com/AAAABBBBCCCCDDDDEEEEFF",
    "longitude": 2.5, "me": "Me", "media_path": "a.txt", "name": "DO", "numbers": ["+15559999999"],
    "options": ["Yes", "No"], "page": 0, "pages": "1", "path": "a.txt", "phone": "+15550001111",
    "photo": "a.png", "query": "DO OR poll OR one OR zqx", "question": "Which?", "send_id": 0,
    "since": "2020-01-01", "sort_by": "name", "text": "hi", "tokens": 4000, "topic": "hi",
    "until": "2030-01-01", "url": "http://192.0.2.1/a.png", "wait": 0, "sender_phone": "+15550001111",
    "message": "hi", "chat_name": "DO",
}  # fmt: skip
"""A value for each other parameter, by its name; those with a choice or of two values are all tried."""
_SOME: Final = 4
"""Addresses with which each option is tried, and chats with which each act is."""
_AGREED: Final = 3
"""Questions about each tool to which the person agrees."""
WALKER: Final = "walker"
LAST: Final = ("delete_chat", "leave_group", "link_device", "reconnect", "unlink_device")
"""What would end the walk if it were done."""


@dataclass
class Walk:
    """Calls, and what was wrong with their answers."""

    found: Withheld
    ledger: Ledger
    leader: Device
    wrong: dict[str, str] = field(default_factory=dict[str, str])
    shown: set[str] = field(default_factory=set[str])
    calls: int = 0
    told: int = 0
    asked: Counter[str] = field(default_factory=Counter[str])
    schemas: dict[str, dict[str, Any] | None] = field(default_factory=dict[str, Any])
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @asynccontextmanager
    async def agent(
        self, name: str = "", *, cards: bool = False, legacy: bool = False
    ) -> AsyncIterator[tuple[Client, str]]:
        """A client of the agent of this name, else of a new one, and whom it counts as."""
        name = name or f"{WALKER}-{next(self.numbers)}"
        me = Implementation(name=name, version="1")

        async def heard(message: Any) -> None:
            self.told += 1
            self.look(f"notification to {name}", repr(message), None)

        async with Client(
            self.found.made.application,
            client_info=me,
            message_handler=heard,
            extensions=[APPS] if cards else [],
            mode="legacy" if legacy else "auto",
        ) as client:
            # As if it had listed them, which takes longer than the call: each lists them after its first.
            client.session._tool_output_schemas |= self.schemas
            yield client, f"stdio:{name}"

    def look(self, what: str, text: str, principal: str | None) -> None:
        """Note what must not be in an answer: what is opened by its address has to be written down."""
        self.calls += 1
        words = {word.lower() for word in CANARY.findall(text)}
        self.shown |= words
        noted = self.ledger.tainted().get(principal, frozenset()) if principal else frozenset[Exposure]()
        kept = {word for word in words if word.endswith("never") or Exposure.STRANGER not in noted}
        for word in kept:
            self.wrong.setdefault(f"{self.found.places[word]} ({word})", f"{what}: {text[:3000]}")
        if CODE in text:
            self.wrong.setdefault("a code", f"{what}: {text[:3000]}")

    async def call(self, tool: Tool, arguments: Mapping[str, Any]) -> None:
        """Call a tool, and go on with what it asks the person."""
        async with self.agent() as (client, principal):
            answer = await client.call_tool(tool.name, dict(arguments))
            what = f"{tool.name} {json.dumps(arguments)[:200]}"
            opens = bool((MESSAGES | CHATS) & arguments.keys())
            self.look(what, _given(answer), principal if opens else None)
        for question in await self.leader.do(approvals.approvals):
            if not question.client.startswith(WALKER):
                continue
            self.asked[tool.name] += 1
            approved = question.send_id is not None and self.asked[tool.name] <= _AGREED
            async with self.agent(question.client, cards=self.calls % 2 == 0) as (client, _):
                await self._answered(client, what, question.id, approved=approved)

    async def _answered(self, client: Client, what: str, number: str, *, approved: bool) -> None:
        for after in ("open", "decided"):
            answer = await client.call_tool("await_approval", {"approval": number, "wait": 0})
            assert not answer.is_error, f"{what}: {text_of(answer.content)}"
            self.look(f"await_approval, {after}, of {what}", _given(answer), None)
            if after == "open":
                await self.leader.do(approvals.decide, number, approved, "terminal")

    async def tools(self, client: Client) -> None:
        """Call each tool of a server in every way."""
        offered = (await client.list_tools()).tools
        self.schemas = {tool.name: tool.output_schema for tool in offered}
        for tool in sorted(offered, key=lambda one: (one.name in LAST, not _reads(one), one.name)):
            for arguments in self._ways(tool):
                await self.call(tool, arguments)

    def _ways(self, tool: Tool) -> Iterator[dict[str, Any]]:
        """Arguments of a tool: every address in turn, each option, and wrong values."""
        properties: dict[str, Any] = tool.input_schema["properties"]
        needed = [*tool.input_schema.get("required", ())]
        targets = [name for name in properties if name in CHATS | MESSAGES]
        base = {name: self._value(tool, name, properties[name])[0] for name in needed}
        base |= {"wait": 0} if "wait" in properties else {}
        yield base
        options = [name for name in properties if name not in base]
        for target in targets:
            addresses = self._value(tool, target, properties[target])
            if target in CHATS and not _reads(tool):
                addresses = [*addresses[:: len(addresses) // _SOME], *addresses[-3:]]
            yield from ({**base, target: address} for address in addresses)
            for address in addresses[:: len(addresses) // _SOME or 1] if _reads(tool) else addresses[:1]:
                for name in options:
                    if name not in targets:
                        values = self._value(tool, name, properties[name])
                        yield from ({**base, target: address, name: value} for value in values)
        for name in [name for name in options if name not in targets]:
            yield from ({**base, name: value} for value in self._value(tool, name, properties[name]))
        for name in properties:
            yield from ({**base, name: value} for value, _ in WRONG.get(name, ()) if value != LONG)

    def _value(self, tool: Tool, name: str, schema: Mapping[str, Any]) -> list[Any]:
        if name in MESSAGES:
            return self.found.messages
        if name in CHATS:
            return [[each] if schema.get("type") == "array" else each for each in self.found.chats]
        if "enum" in schema:
            return list(schema["enum"])
        if schema.get("type") == "boolean":
            return [True, False]
        assert name in VALUES, f"{tool.name} has a new parameter {name}: give it a value here"
        known = {"send_id": self.found.sends, "approval": self.found.questions}
        return known.get(name, [VALUES[name]])

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """With a client that is told of every change of each resource."""
        async with self.agent(legacy=True) as (client, _):
            changing = [ALL_CHATS, UNREAD]
            changing += [MESSAGES_OF.replace("{jid}", address) for address in self.found.chats[:_SOME]]
            for uri in changing:
                await client.subscribe_resource(uri)
            yield

    async def resources(self) -> None:
        """Read each resource, and complete what stands in its address."""
        async with self.agent() as (client, _):
            fixed = [str(each.uri) for each in (await client.list_resources()).resources]
            templates = [
                each.uri_template for each in (await client.list_resource_templates()).resource_templates
            ]
            for template in templates:
                reference = ResourceTemplateReference(type="ref/resource", uri=template)
                for typed in ("", "D", "Pat", "Robin", "1"):
                    for name in ("jid", "ref"):
                        await self._complete(client, reference, name, typed)
        for uri in fixed:
            await self._read(uri, opens=False)
        for template in templates:
            for address in self.found.chats if "{jid}" in template else self.found.messages:
                uri = UriTemplate.parse(template).expand({"jid": address, "ref": address.removeprefix("#")})
                await self._read(uri, opens=True)

    async def _read(self, uri: str, *, opens: bool) -> None:
        async with self.agent() as (client, principal):
            try:
                contents = (await client.read_resource(uri)).contents
            except MCPError as error:
                text = error.error.message
            else:
                text = "\n".join(each.text for each in contents if isinstance(each, TextResourceContents))
            self.look(uri, text, principal if opens else None)

    async def prompts(self) -> None:
        """Get each prompt, and complete its arguments."""
        async with self.agent() as (client, _):
            for prompt in (await client.list_prompts()).prompts:
                names = [each.name for each in prompt.arguments or ()]
                told = await client.get_prompt(prompt.name, dict.fromkeys(names, "Ben"))
                self.look(f"prompt {prompt.name}", repr(told), None)
                reference = PromptReference(type="ref/prompt", name=prompt.name)
                for name in names:
                    for typed in ("", "D", "Pat", "Robin"):
                        await self._complete(client, reference, name, typed)

    async def _complete(self, client: Client, reference: Any, name: str, typed: str) -> None:
        try:
            told = repr((await client.complete(reference, {"name": name, "value": typed})).completion)
        except MCPError as error:
            told = error.error.message
        self.look(f"completion of {name} {typed!r}", told, None)


def _reads(tool: Tool) -> bool:
    spec = declared(tool.name)
    return spec is not None and spec.effect is Effect.READ


def _given(answer: CallToolResult) -> str:
    """What a model gets of an answer: metadata is for the host."""
    blocks = [block.model_dump_json(exclude={"meta"}) for block in answer.content if block.type != "image"]
    return "\n".join([*blocks, json.dumps(answer.structured_content, ensure_ascii=False)])


@pytest.mark.parametrize("mode", ["standard", "lockdown"])
async def test_no_canary_is_in_anything_that_a_model_gets(tmp_path: Path, mode: str) -> None:
    folder = Settings(home=tmp_path / "home").account_folder()
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(withheld(tmp_path / "home", mode))
        ledger = await stack.enter_async_context(open_ledger(folder))
        walk = Walk(found, ledger, await stack.enter_async_context(leading_device(folder)))
        await stack.enter_async_context(walk.listening())
        await walk.resources()
        await walk.prompts()
        client, _ = await stack.enter_async_context(walk.agent())
        await walk.tools(client)
    assert walk.wrong == {}
    # In `lockdown` a person releases strangers' words first.
    assert bool(walk.shown) is (mode == "standard")
    assert walk.told, "no notification came"
