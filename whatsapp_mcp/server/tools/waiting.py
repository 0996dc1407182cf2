"""The status of a send, and waiting for messages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import anyio
from pydantic import Field

from whatsapp_mcp.errors import Denied, InvalidArgument, MessageNotFound, WhatsAppError
from whatsapp_mcp.models import (
    Chat,
    ChatKind,
    Delivery,
    Message,
    Page,
    SendReport,
    SendStatus,
)
from whatsapp_mcp.policy import Audience, Effect, clean_line
from whatsapp_mcp.server.arguments import MAX_WAIT, ChatArg, MessageArg, SendId, Wait, find_chat, find_person
from whatsapp_mcp.server.calls import (
    Answers,
    Call,
    Result,
    Services,
    ToolFunction,
    answered,
    cursor_of,
    named_cursor,
    tool,
    with_cursor,
)
from whatsapp_mcp.server.feed import SLICE, next_change
from whatsapp_mcp.server.fencing import Text, called, in_quotes
from whatsapp_mcp.server.reading import Masker, collapsed, of_new
from whatsapp_mcp.server.render import (
    MessagesData,
    ReportData,
    messages_text,
    more,
    named,
    place_of,
    report_data,
)
from whatsapp_mcp.server.tools.outcomes import counts_told
from whatsapp_mcp.server.tools.reading import page_data
from whatsapp_mcp.text.zone import local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import tzinfo

    from whatsapp_mcp.models import Change
    from whatsapp_mcp.server.reading import GuardedArchive

_PREFIX: Final = "w"
"""Begins a cursor of this tool, so that none of a list is taken for one."""
SETTLE: Final = 0.3
"""Seconds of quiet after which a burst of messages counts as over, unless its sender is seen writing on."""
MOST: Final = 50
"""Messages in one answer; the cursor continues from there."""
ANSWERING: Final = timedelta(minutes=5)
"""Time after a send within which what came since then is waited for: answers may be quicker than a model."""
_BATCH: Final = 200
"""Changes that are read at once."""
_MISSED: Final = "Messages may have been missed before these: look at the chats."
_RECEIVED: Final = (SendStatus.DELIVERED, SendStatus.READ)
_NAMED: Final = 5
"""Chats with other new messages that are named."""


@tool("core", Effect.READ, Audience.NOBODY, open_world=False, result=ReportData, in_chat=True)
async def message_status(
    call: Call,
    message: MessageArg | None = None,
    send_id: SendId = 0,
    cursor: str | None = None,
) -> Result:
    """Status of a sent message; who received and read it."""
    if (message is None) == (not send_id):
        raise InvalidArgument("Give either message or send_id.")
    services = await call.services()
    report = await services.archive.send_report(message or send_id, send_id=message is None, cursor=cursor)
    return Result(_report_text(report, services), report_data(report, services.zone))


def _report_text(report: SendReport, services: Services) -> Text:
    result = report.result
    ref = f"#{result.ref} " if result.ref is not None else ""
    reason = f": {clean_line(result.reason, 300)}" if result.reason else ""
    lines = [_delivery_line(delivery, services.zone) for delivery in report.deliveries]
    counts = report.counts
    notes = ["(delivered: not read, or read receipts are off)"] if counts.delivered else []
    if result.status in _RECEIVED and counts.people == counts.without:
        # Of a message from before linking the phone tells this much, and none of the receipts.
        notes = [f"({result.status.value}: as the phone told it; by whom and when is not known)"]
    head = f"{ref}{result.status.value}{reason}"
    if counts.people > 1:
        head += f"; {counts_told(counts)}"
    return Text(head, lines, [*notes, *more(report.next_cursor)])


def _delivery_line(delivery: Delivery, zone: tzinfo) -> str:
    """`Ann: read 2026-11-24 14:03`."""
    moment = delivery.read_at or delivery.delivered_at
    if moment is None:
        how = "no receipt yet"
    else:
        how = f"{'read' if delivery.read_at else 'delivered'} {local(moment, zone):%Y-%m-%d %H:%M}"
    return f"{called(delivery.contact, delivery.stranger)}: {how}"


async def waiting_from(call: Call, chat: str | None) -> str:
    """The cursor with which waiting for messages, of a chat or of all, begins."""
    services = await call.services()
    where = await find_chat(services, chat, reading=True) if chat else None
    return f"{_PREFIX}{await _start(services, None, where.jid if where else None)}"


async def _first_to_hear(
    calls: Mapping[str, Call], values: Mapping[str, Any], positions: Mapping[str, str]
) -> Answers:
    """Wait in several accounts until one of them has news; the cursor goes on in all of them.

    Those that have no news by then are left where they began, so nothing falls between.
    """
    begun: dict[str, str] = dict(positions)
    answers: dict[str, Result | WhatsAppError] = {}

    async def begin(name: str, call: Call) -> None:
        try:
            begun[name] = await call.perform(waiting_from, chat=values["chat"])
        except WhatsAppError as error:
            answers[name] = error

    async def hear(name: str, call: Call) -> None:
        async def wait() -> Result:
            return await call.perform(wait_for_messages, **{**values, "cursor": begun[name]})

        answer = answers[name] = await answered(wait_for_messages.__name__, call, wait)
        if isinstance(answer, Result) and answer.data["messages"]:
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as beginning:
        for name in calls.keys() - begun.keys():
            beginning.start_soon(begin, name, calls[name])
    async with anyio.create_task_group() as tasks:
        for name in begun:
            tasks.start_soon(hear, name, calls[name])
    heard = {name: each for name, each in answers.items() if isinstance(each, Result)}
    cursor = named_cursor({**begun, **{name: cursor_of(each) or begun[name] for name, each in heard.items()}})
    results = {name: with_cursor(each, cursor) for name, each in heard.items()}
    return {name: results.get(name, answers[name]) for name in calls if name in answers}


@tool(
    "core",
    Effect.READ,
    Audience.NOBODY,
    open_world=False,
    result=MessagesData,
    in_chat=True,
    across=_first_to_hear,
    across_runs=(waiting_from,),
)
async def wait_for_messages(
    call: Call,
    chat: ChatArg | None = None,
    sender: str | None = None,
    mentions_me: bool = False,
    text: Annotated[str | None, Field(description="Part of the text")] = None,
    wait: Annotated[Wait, Field(description="Seconds, up to 50")] = 45.0,
    cursor: Annotated[str | None, Field(description="From the last result")] = None,
) -> Result:
    """Wait for new messages, from your recent send on; returns when a burst is over."""
    services = await call.services()
    where = await find_chat(services, chat, reading=True) if chat else None
    who = await find_person(services, sender, reading=True) if sender else None
    after = await _start(services, cursor, where.jid if where else None)

    def wanted(message: Message) -> bool:
        return (
            (where is None or where.jid == message.chat)
            and (who is None or who.jid == message.sender)
            and (message.mentions_me or not mentions_me)
            and (text is None or text.casefold() in message.spoken.casefold())
        )

    archive = services.archive.opened(
        where.jid if where else None, amount=of_new(after if cursor else None, MOST)
    )
    heard = await _collect(call, services, archive, after, wait, wanted)
    messages, others = collapsed([*heard.found.values()]), _meanwhile(heard.others.values())
    if heard.missed:
        others = (*others, _MISSED)
    page = Page(messages, f"{_PREFIX}{heard.after}", others)
    header = f"New messages{_told(where, who, mentions_me, text)}"
    data = page_data(services, page, of_one_chat=where is not None)
    if page.items:
        return Result(messages_text(data, header=header), data)
    shown = messages_text(data, header=f"{header} in {wait:.0f} s")
    return Result(shown.plus(*more(page.next_cursor)), data)


def _told(where: Chat | None, who: Chat | None, mentions_me: bool, text: str | None) -> str:
    """Describe the awaited messages: ` from Tom in Boat club that mention the user with “station”`."""
    words = f" from {named(who)}" if who else ""
    if where:
        direct = where.kind is ChatKind.DIRECT and not who
        words += f" {'from' if direct else 'in'} {named(where)}"
    words += " that mention the user" if mentions_me else ""
    return words + (f" with {in_quotes(text, 60)}" if text else "")


def _meanwhile(messages: Iterable[Message]) -> tuple[str, ...]:
    """Other new messages by chat: after the cursor they would not be seen."""
    counts = Counter(map(place_of, messages))
    if not counts:
        return ()
    parts = [f"{name} {count}" for name, count in counts.most_common(_NAMED)]
    if len(counts) > _NAMED:
        parts.append(f"{len(counts) - _NAMED} more chats")
    return (f"Also new meanwhile: {', '.join(parts)}.",)


async def _start(services: Services, cursor: str | None, chat: str | None) -> int:
    """Return the change to wait from: the cursor's, else a recent send's (to the chat), else the last."""
    if cursor is None:
        send = await services.archive.last_send(services.now() - ANSWERING, chat=chat)
        return await services.archive.last_change() if send is None else send
    digits = cursor.strip().removeprefix(_PREFIX)
    # Nineteen digits may be more than SQLite's 64 bits hold.
    if not (cursor.strip().startswith(_PREFIX) and digits.isdecimal() and len(digits) < 19):
        raise InvalidArgument(
            f"{cursor!r} is not a cursor of wait_for_messages.", "Leave it out to start now."
        )
    return int(digits)


@dataclass
class _Heard:
    """Incoming messages by ref, those that were waited for and the others, up to a change.

    `missed` says that changes before these are no longer kept.
    """

    after: int
    missed: bool = False
    found: dict[int, Message] = field(default_factory=dict[int, Message])
    others: dict[int, Message] = field(default_factory=dict[int, Message])


async def _collect(
    call: Call,
    services: Services,
    archive: GuardedArchive,
    after: int,
    wait: float,
    wanted: Callable[[Message], bool],
) -> _Heard:
    """Collect the messages that arrive after a change.

    A burst is over when no wanted message came for a while and nobody is seen writing in its chats; what is
    not wanted does not prolong it.
    """
    begin = anyio.current_time()
    limit = end = begin + min(wait, MAX_WAIT)
    heard, typing, masker = _Heard(after), frozenset[str](), Masker()
    while True:
        start = await archive.resume(heard.after)
        heard.missed |= start != heard.after
        heard.after = start
        changes = await archive.changes(start, limit=_BATCH)
        for change in changes:
            heard.after = change.seq
            message = await _message_of(change, archive, masker)
            if message is None or message.from_me:
                continue
            if not wanted(message):
                heard.others[message.ref] = message
                continue
            heard.found[message.ref] = message
            end = min(limit, anyio.current_time() + SETTLE)
            if len(heard.found) == MOST:
                return heard
        now = anyio.current_time()
        # A full batch says that there are more: they are read before anything is waited for.
        if len(changes) == _BATCH and now < limit:
            continue
        if now >= end:
            if now >= limit or typing.isdisjoint(message.chat for message in heard.found.values()):
                return heard
            end = min(limit, now + SETTLE)
        activity = await next_change(services.devices, archive, heard.after, min(SLICE, end - now))
        typing = frozenset(activity.typing)
        await call.progress(min(wait, anyio.current_time() - begin), wait, "waiting")


async def _message_of(change: Change, archive: GuardedArchive, masker: Masker) -> Message | None:
    """The new message of a change; None for another kind of change, or when it is deleted again."""
    if change.kind != "message" or change.ref is None:
        return None
    try:
        return await archive.message(change.ref, masker=masker, among=MOST)
    except (MessageNotFound, Denied):
        return None


TOOLS: Sequence[ToolFunction] = (message_status, wait_for_messages)
