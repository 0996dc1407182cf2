"""The agent of the examples: it answers a question by calling tools.

A real agent asks a language model which tool to call next. Here a plan decides, so that the examples run
without a model: a generator that yields tool calls, receives their results, and returns the answer. To use a
model, replace `plan`; the loop stays the same.
"""

import os
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from mcp import Client


@dataclass(frozen=True)
class ToolCall:
    """A tool call that the plan asks for."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])


Plan = Generator[ToolCall, str, str]
"""Yields calls, receives the text of each result, and returns the answer."""


def plan(question: str) -> Plan:
    """Choose what to do: `Tell NAME: TEXT` sends a message, anything else asks who is waiting."""
    verb, _, rest = question.partition(" ")
    if verb.lower() == "tell" and ":" in rest:
        chat, _, text = rest.partition(":")
        return tell(chat.strip(), text.strip())
    return who_is_waiting()


def who_is_waiting() -> Plan:
    """List the direct chats whose last message the owner has not answered."""
    chats = yield ToolCall("list_chats", {"kind": "direct", "unanswered": "me"})
    status = yield ToolCall("connection_status")
    return chats if status.startswith("online") else f"{chats}\n(This may be old: {status})"


def tell(chat: str, text: str) -> Plan:
    """Send one message; because of the idempotency key, a second run with the same words sends nothing."""
    sent = yield ToolCall("send_message", {"chat": chat, "text": text, "idempotency_key": f"{chat}/{text}"})
    return f"{text!r}: {sent}"


async def answer(client: Client, question: str) -> str:
    """Run the loop: make each call of the plan and send it its result, until it returns an answer.

    When a tool fails, its text says why and what to do next; the text is then the answer.
    """
    steps = plan(question)
    text: str | None = None
    while True:
        try:
            call = next(steps) if text is None else steps.send(text)
        except StopIteration as end:
            return str(end.value)
        print(f"→ {call.name} {call.arguments or ''}", file=sys.stderr)
        result = await client.call_tool(call.name, call.arguments)
        text = "\n".join(block.text for block in result.content if block.type == "text")
        if result.is_error:
            return text


def question_from_arguments() -> str:
    """The words on the command line, or a default question."""
    return " ".join(sys.argv[1:]) or "Who is waiting for an answer?"


def hosted_server() -> tuple[str, dict[str, str]]:
    """The URL of a running server and the headers that it requires, from the environment."""
    try:
        return os.environ["WHATSAPP_URL"], {"Authorization": f"Bearer {os.environ['WHATSAPP_TOKEN']}"}
    except KeyError as missing:
        sys.exit(
            f"Set {missing.args[0]}: `whatsapp-mcp serve --transport http` prints the URL and its token."
        )
