"""The answers of several accounts as one: each under a line that names its account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import anyio
from mcp.types import CallToolResult, ContentBlock, TextContent

from whatsapp_mcp.errors import ChatNotFound, ContactNotFound, InvalidArgument, MessageNotFound, WhatsAppError
from whatsapp_mcp.server.calls.accounts import CURSOR, named_cursor
from whatsapp_mcp.server.calls.beginning import contained
from whatsapp_mcp.server.calls.call import Call
from whatsapp_mcp.server.calls.results import Result, bounded, error_payload, error_text
from whatsapp_mcp.server.fencing import LIMIT, Text

Answers = Mapping[str, Result | WhatsAppError]
"""What came of a call in each account, by its name."""
_NOT_THERE: Final = (ChatNotFound, ContactNotFound, InvalidArgument, MessageNotFound)
"""Errors of an account that has not what another has: its chat, message or question."""
_NEXT: Final = "next_cursor"


@dataclass(frozen=True, slots=True)
class JoinedResult:
    """The answers of several accounts, or that of one which was named.

    Attributes:
        answers: By account; at least one.
        is_headed: Whether the text names the account of each.
    """

    answers: Answers
    is_headed: bool = True

    @property
    def data(self) -> dict[str, Any]:
        """The same facts for programs: `{"accounts": {NAME: data, or {"error": …}}}`."""
        return {"accounts": {name: _data_of(answer) for name, answer in self.answers.items()}}

    def to_mcp(self, new_code: Callable[[], str], *, structured: bool = False) -> CallToolResult:
        """As `Result.to_mcp`; all texts together are no longer than one may be."""
        code, room = new_code(), LIMIT // len(self.answers)
        content: list[ContentBlock] = []
        meta: dict[str, Any] = {}
        for name, answer in self.answers.items():
            text = f"account {name}:\n" if self.is_headed else ""
            if isinstance(answer, WhatsAppError):
                text += error_text(answer)
            else:
                content += answer.extra
                meta |= answer.meta or {}
                text += answer.rendered(code, room)
            content.append(TextContent(type="text", text=text))
        return CallToolResult(
            content=content,
            structured_content=bounded(self.data) if structured else None,
            _meta=meta or None,
        )


def _data_of(answer: Result | WhatsAppError) -> Mapping[str, Any]:
    return {"error": error_payload(answer)} if isinstance(answer, WhatsAppError) else answer.data


def joined(answers: Answers) -> JoinedResult:
    """What is answered: nothing of accounts without what was asked for, as long as another has it.

    Raises:
        WhatsAppError: No account answered: the first error, one that does not say "not found" before others.
    """
    errors = [answer for answer in answers.values() if isinstance(answer, WhatsAppError)]
    if len(errors) == len(answers):
        raise next((error for error in errors if not isinstance(error, _NOT_THERE)), errors[0])
    return JoinedResult({name: each for name, each in answers.items() if not isinstance(each, _NOT_THERE)})


async def everywhere(
    tool: str, calls: Mapping[str, Call], ask: Callable[[str], Awaitable[Result]]
) -> Answers:
    """What each account answers, asked side by side; one that fails costs the others nothing.

    Args:
        tool: The name.
        calls: By account; they are told of in the same order.
        ask: Asks the account of this name.
    """
    answers: dict[str, Result | WhatsAppError] = {}

    async def tell(name: str, call: Call) -> None:
        answers[name] = await answered(tool, call, partial(ask, name))

    async with anyio.create_task_group() as tasks:
        for name, call in calls.items():
            tasks.start_soon(tell, name, call)
    return {name: answers[name] for name in calls}


async def answered(tool: str, call: Call, answer: Callable[[], Awaitable[Result]]) -> Result | WhatsAppError:
    """What a call in one account is answered, or its error.

    Args:
        tool: The name, for the log and the account's figures.
        call: In the account.
        answer: Answers it.
    """
    try:
        return await contained(tool, answer, call.source.meter)
    except WhatsAppError as error:
        return error


def cursor_of(result: Result) -> str | None:
    """The cursor with which a result goes on; None where it is whole."""
    return result.data.get(_NEXT)


def with_cursor(result: Result, cursor: str) -> Result:
    """The same with another cursor, in its data and in its text; unchanged where it goes on nowhere."""
    former = cursor_of(result)
    if former is None:
        return result
    data = {**result.data, _NEXT: cursor}
    if not isinstance(result.text, Text):
        return replace(result, data=data)
    notes = [_going_on(note, former, cursor) for note in result.text.notes]
    return replace(result, data=data, text=replace(result.text, notes=notes))


def _going_on(note: str, former: str, cursor: str) -> str:
    """A line of ours, with the new cursor where it ended with the former one."""
    start = note.removesuffix(f"{CURSOR}={former}")
    return note if start == note else f"{start}{CURSOR}={cursor}"


def of_account(name: str, answer: Result | WhatsAppError) -> Result | WhatsAppError:
    """An answer whose cursor says of which account it is."""
    if isinstance(answer, WhatsAppError) or (cursor := cursor_of(answer)) is None:
        return answer
    return with_cursor(answer, named_cursor({name: cursor}))
