"""Words that no model may be shown, and a client that searches everything an agent receives for them.

In `diary` somebody writes words into whatever carries them. `Canaries` has a client whose answers, errors,
resources, completions, prompts and notifications are searched for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from mcp import Client, MCPError
from mcp.types import BlobResourceContents, CallToolResult, Implementation, ReadResourceResult

from whatsapp_simulator import WhatsApp, kinds
from whatsapp_simulator.people import Person

WRITER: Final = "agent-"
"""Begins the names of applications that write `Canaries.held`: they know what they wrote."""


async def diary(wa: WhatsApp, person: Person, word: Callable[[str], str]) -> list[str]:
    """Let somebody write a word each in a text, an edit, a poll, a file, a place, a card and a link.

    Args:
        wa: WhatsApp.
        person: Who writes.
        word: Makes one, for what it stands in.

    Returns:
        The ids of the messages: the text, the poll, the file, and others.
    """
    attach = wa.media.attach
    text = await person.says(f"diary {word('a text')}")
    await person.edits(text, f"diary {word('an edit')}")
    poll = kinds.poll(f"poll {word('a question')}", ["Yes", word("an option")], bytes(range(32)))
    file = attach("document", b"Nothing", fileName=f"{word('a file name')}.txt", caption=word("a caption"))
    link = ("http://a.example", word("a title"), word("a preview"))
    others = (
        kinds.location(52.5, 13.4, word("a place"), word("an address")),
        kinds.contact(word("a card"), "+15550177777"),
        kinds.text("see http://a.example", link=link),
    )
    return [text, *[await person.says(each) for each in (poll, file, *others)]]


@dataclass
class Canaries:
    """Words that are withheld, and those that were seen nevertheless.

    Attributes:
        places: What each word is about.
        held: A word that agents are made to write to somebody; others may not see it while it waits.
        seen: In which answer a word was seen first.
        answers: How many were looked at.
        heard: How many notifications were.
    """

    places: dict[str, str] = field(default_factory=dict[str, str])
    held: str = "zqxheldnever"
    seen: dict[str, str] = field(default_factory=dict[str, str])
    answers: int = 0
    heard: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.places, self.held)

    def word(self, place: str) -> str:
        """Make a word that is never shown."""
        made = f"zqx{len(self.places):03}never"
        self.places[made] = place
        return made

    def look(self, name: str, what: str, text: str) -> None:
        """Search what the application of this name gets.

        Args:
            name: Of the application.
            what: Was called.
            text: All that its model gets.
        """
        self.answers += 1
        folded = text.casefold()
        for each in self.places:
            if each in folded:
                self.seen.setdefault(each, f"{self.places[each]}: {name} by {what}")
        if self.held in folded and not name.startswith(WRITER):
            self.seen.setdefault(self.held, f"what another application holds: {name} by {what}")

    def client(self, application: Any, name: str, answer: Any = None, *, mode: Any = "auto") -> Client:
        """A client of this name, whose every answer is looked at."""

        async def told(message: Any) -> None:
            self.heard += 1
            self.look(name, "a notification", repr(message))

        made = _Watched(
            application,
            client_info=Implementation(name=name, version="1"),
            elicitation_callback=answer,
            message_handler=told,
            mode=mode,
        )
        made.canaries, made.name = self, name
        return made


class _Watched(Client):
    """A client whose answers and errors `canaries` looks at."""

    canaries: Canaries
    name: str

    async def call_tool(self, name: str, *args: Any, **options: Any) -> CallToolResult:
        what = f"{name} {json.dumps(args)[:200]}"
        return await self._got(what, super().call_tool(name, *args, **options))

    async def read_resource(self, uri: str, **options: Any) -> ReadResourceResult:
        return await self._got(uri, super().read_resource(uri, **options))

    async def complete(self, *args: Any, **options: Any) -> Any:
        return await self._got("a completion", super().complete(*args, **options))

    async def get_prompt(self, name: str, *args: Any, **options: Any) -> Any:
        return await self._got(f"prompt {name}", super().get_prompt(name, *args, **options))

    async def _got(self, what: str, call: Any) -> Any:
        try:
            answer = await call
        except MCPError as error:
            self.canaries.look(self.name, what, repr(error.error))
            raise
        self.canaries.look(self.name, what, _given(answer))
        return answer


def _given(answer: Any) -> str:
    """Return the part of an answer that a model receives; metadata is for the application."""
    if isinstance(answer, CallToolResult):
        blocks = [each.model_dump(mode="json", exclude={"meta"}) for each in answer.content]
        return json.dumps([blocks, answer.structured_content], ensure_ascii=False)
    if isinstance(answer, ReadResourceResult):
        texts = [each for each in answer.contents if not isinstance(each, BlobResourceContents)]
        return "\n".join(each.text for each in texts)
    return repr(answer)


_REFS: Final = re.compile(r"\{(?:ref|jid)\}")


async def survey(client: Client, chats: list[str], messages: list[str]) -> None:
    """Read every resource, those of chats and messages by each address, and complete what is in them."""
    uris = [str(each.uri) for each in (await client.list_resources()).resources]
    for template in (await client.list_resource_templates()).resource_templates:
        pattern = template.uri_template
        values = chats if "{jid}" in pattern else [each.removeprefix("#") for each in messages]
        uris += [_REFS.sub(value, pattern) for value in values]
    for uri in uris:
        try:
            await client.read_resource(uri)
        except MCPError:
            continue
