"""The accounts of a server, and how calls name them where whoever asks sees several.

A requester that sees one account is answered as by a server that has no other: nothing names an account. For
one that sees several, tools take `account`, cursors begin with its name (`work:ej2k9x.1f3a`), and so does the
path of a URI (`whatsapp://work/chats`). The answers of several accounts are one, each under a line that names
its account.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import anyio
from mcp.types import CallToolResult, ContentBlock, TextContent

from whatsapp_mcp.errors import ChatNotFound, ContactNotFound, InvalidArgument, MessageNotFound, WhatsAppError
from whatsapp_mcp.ledger import Exposure, Taint
from whatsapp_mcp.policy import Act, is_offered
from whatsapp_mcp.server.calls.beginning import contained
from whatsapp_mcp.server.calls.call import BASE, LEADER_LIMIT, Call, ServicesSource
from whatsapp_mcp.server.calls.results import Result, bounded, error_payload, error_text
from whatsapp_mcp.server.fencing import LIMIT, Text

ARGUMENT: Final = "account"
CURSOR: Final = "cursor"
EVERY: Final = "all"
"""Value of `account` that means every account, for a host that cannot leave an argument out."""
_OF_ACCOUNT, _NEXT = ":", ","
"""Stand in no account's name and in no cursor of a list."""
Answers = Mapping[str, Result | WhatsAppError]
"""Results or errors of a call in each account, by the account's name."""
_NOT_THERE: Final = (ChatNotFound, ContactNotFound, InvalidArgument, MessageNotFound)
"""Errors of an account that has not what another has: its chat, message or question."""
_FOLLOWING: Final = "next_cursor"


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts that a server serves.

    Attributes:
        sources: Where the services of each come from, by its name, in the order in which they are shown.
    """

    sources: Mapping[str, ServicesSource]

    @classmethod
    def of(cls, *sources: ServicesSource) -> Accounts:
        """The accounts of these sources, by name."""
        return cls({each.account: each for each in sorted(sources, key=lambda source: source.account)})

    def seen_by(self, names: frozenset[str] | None) -> Mapping[str, ServicesSource]:
        """Return the accounts that a requester sees.

        Args:
            names: To which it is limited; None for every one.
        """
        if names is None:
            return self.sources
        # By the names of the requester alone: how long it takes tells nothing of other accounts.
        return {name: self.sources[name] for name in sorted(names) if name in self.sources}

    def offering(self, act: Act, names: frozenset[str] | None = None) -> list[str]:
        """The accounts of a requester whose policy does not forbid an act altogether.

        Args:
            act: Under the name of its tool.
            names: As in `seen_by`.
        """
        seen = self.seen_by(names)
        return [name for name, source in seen.items() if is_offered(source.policy, act)]


async def carry_exposures(call: Call, seen: Mapping[str, ServicesSource]) -> None:
    """Let words that were handed out in other accounts count in that of a call: its caller has them in hand.

    Otherwise what a stranger wrote to one account could cause a send from another without a question. Of an
    account that is not open within `LEADER_LIMIT` nothing can be read: strangers' words count as handed out.

    Args:
        call: Of an act.
        seen: The accounts that the requester sees: in others it was given nothing.

    Raises:
        WhatsAppError: The account cannot be opened, or it could not be written down, so nothing may be done.
    """
    for source in seen.values():
        if source is not call.source:
            for exposure in (await _handed_out(replace(call, source=source))).sources:
                await call.perform(expose, exposure=exposure)


async def _handed_out(call: Call) -> Taint:
    with suppress(WhatsAppError), anyio.move_on_after(LEADER_LIMIT):
        return await call.perform(taint)
    return Taint(frozenset({Exposure.STRANGER}))


async def taint(call: Call) -> Taint:
    """Return whose words the caller holds, as far as this account handed them out."""
    return await (await call.source.services()).ledger.taint(call.caller.principal)


async def expose(call: Call, exposure: Exposure) -> None:
    """Let words that the caller got elsewhere count in this account."""
    await (await call.source.services()).ledger.expose(call.caller.principal, exposure)


def with_account(schema: Mapping[str, Any], names: Sequence[str], *, required: bool) -> dict[str, Any]:
    """The schema of a tool's arguments with `account` in front.

    Args:
        schema: Of a tool for one account.
        names: Of the accounts.
        required: Whether one has to be named.
    """
    choice = {"type": "string", "enum": [*names] if required else [EVERY, *names]}
    properties = {ARGUMENT: choice, **schema.get("properties", {})}
    needed = [ARGUMENT] if required else []
    lists = {"required": [*needed, *schema.get("required", ())]} if required or "required" in schema else {}
    return {**schema, "properties": properties, **lists}


def by_account(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of the answers of several accounts: `{"accounts": {NAME: answer}}`.

    Args:
        schema: Of the answer of one, or of its error.
    """
    kept = {key: value for key, value in schema.items() if key != "$defs"}
    shared = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    answers = {"type": "object", "additionalProperties": kept}
    return {"type": "object", "properties": {"accounts": answers}, "required": ["accounts"], **shared}


def named_cursor(positions: Mapping[str, str]) -> str:
    """The cursor that goes on at these positions, by account."""
    return _NEXT.join(f"{name}{_OF_ACCOUNT}{position}" for name, position in positions.items())


def positions_in(cursor: str, seen: Mapping[str, ServicesSource]) -> dict[str, str]:
    """The cursors of single accounts that `named_cursor` joined.

    Args:
        cursor: As it came.
        seen: The accounts that the requester sees: another's name is as unknown as any.

    Raises:
        InvalidArgument: It names no account, or one that is not seen.
    """
    parts = [part.partition(_OF_ACCOUNT) for part in cursor.strip().split(_NEXT)]
    if not all(name in seen and position for name, _, position in parts):
        raise InvalidArgument(
            "The cursor is of no account here.",
            "Give next_cursor exactly as the last result returned it, or leave it out to start again.",
        )
    return {name: position for name, _, position in parts}


def uri_in(account: str | None, uri: str) -> str:
    """The URI of a resource, or of a template, in an account.

    Args:
        account: None where it is not named.
        uri: As it is where there is one account.
    """
    return uri if account is None else f"{BASE}{account}/{uri.removeprefix(BASE)}"


def account_in(uri: str) -> tuple[str, str]:
    """The account that a URI names, which there need not be, and the URI as it is where there is one."""
    name, _, path = uri.removeprefix(BASE).partition("/")
    return (name, f"{BASE}{path}") if uri.startswith(BASE) else ("", uri)


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
        """Return the answers as MCP carries them; all texts together stay within the limit of one."""
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
    """Join the answers, without accounts that lack what was asked for as long as another has it.

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
    """Ask all accounts concurrently; an error in one does not affect the answers of the others.

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
    """Return a call's answer in one account, or its error.

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
    return result.data.get(_FOLLOWING)


def with_cursor(result: Result, cursor: str) -> Result:
    """The same with another cursor, in its data and in its text; unchanged where it goes on nowhere."""
    former = cursor_of(result)
    if former is None:
        return result
    data = {**result.data, _FOLLOWING: cursor}
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
