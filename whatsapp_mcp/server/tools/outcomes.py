"""Results of a send: from the tool that sent it, and from `await_approval` once a person has approved."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from whatsapp_mcp.errors import Denied, MessageNotFound
from whatsapp_mcp.jid import STATUS_JID, Jid
from whatsapp_mcp.models import (
    AlbumContent,
    Chat,
    ChatKind,
    Content,
    EditContent,
    FileContent,
    Message,
    PinContent,
    ReactionContent,
    ReceiptCounts,
    RevokeContent,
    SendReport,
    SendRequest,
    SendResult,
    SendStatus,
    TextContent,
    VoteContent,
)
from whatsapp_mcp.policy import clean_line
from whatsapp_mcp.server.calls import Result, Services
from whatsapp_mcp.server.fencing import called, clean_name, in_quotes, titled
from whatsapp_mcp.server.render import clock, named, place_of, sent_data, when

if TYPE_CHECKING:
    from collections.abc import Sequence

PINNED: Final = {"24h": 86_400, "7d": 604_800, "30d": 2_592_000}
"""Seconds for which a message is pinned."""
STATUS: Final = Chat(STATUS_JID, "the status", ChatKind.STATUS)
_SENT: Final = frozenset({SendStatus.SENT, SendStatus.DELIVERED, SendStatus.READ})
_SHOWN: Final = 60
"""Characters of a text that an answer repeats."""
_NAMED: Final = 5
"""People who are mentioned, by name."""


class ReplyTarget(NamedTuple):
    """The message that is answered: its ids, and its group when the author is answered privately."""

    message_id: str | None = None
    chat: str | None = None
    ref: int | None = None


def sent(
    result: SendResult,
    chat: Chat,
    services: Services,
    reply: ReplyTarget | None = None,
    mentions: Sequence[str] = (),
    what: str = "",
) -> Result:
    """Return the result of sending a message; without a ref, it gives the `send_id` to ask with.

    Args:
        result: What became of it.
        chat: To whom it went.
        services: For the person's time zone.
        reply: What it answers.
        mentions: Who is mentioned, as the caller named them.
        what: What was sent, where that is not a text.
    """
    name = _reached(chat)
    ref = f" (send_id {result.send_id})" if result.ref is None else f" as #{result.ref}"
    match result.status:
        case SendStatus.SCHEDULED if result.due_at is not None:
            text = f"scheduled to {name}{ref} for {when(result.due_at, services.zone)}."
        case SendStatus.QUEUED | SendStatus.SENDING:
            text = f"queued to {name}{ref}: it goes out when the connection is back. Do not send it again."
            text += f" {_reason(result)}" if result.reason else ""
        case SendStatus.UNKNOWN:
            text = f"unknown: it may have reached {name}{ref}. Do not send it again; look at message_status."
        case SendStatus.FAILED:
            text = f"failed to {name}: {_reason(result) or 'WhatsApp refused it.'}"
        case _:
            sent_at = f" at {clock(result.timestamp, services.zone)}" if result.timestamp else ""
            text = f"{result.status.value}{what} to {name}{ref}{sent_at}{_details(reply, mentions)}."
    return Result(text, sent_data(result, services.zone))


def changed(result: SendResult, message: Message, content: Content, services: Services) -> Result:
    """Return the result of a change to a message.

    Args:
        result: What became of it.
        message: As it was before.
        content: The change.
        services: For the person's time zone.
    """
    done, more = _change_told(content, message)
    if result.status in _SENT:
        result = replace(result, ref=message.ref)
        return Result(f"{done} #{message.ref}{more}.", sent_data(result, services.zone))
    state = f"{result.status.value}: {_reason(result) or 'no answer yet.'}"
    text = f"{done} #{message.ref}? (send_id {result.send_id}) {state}"
    return Result(text, sent_data(result, services.zone))


def content_told(content: Content) -> str:
    """` image “boat.png” “At last”`, ` album of 4 files “At last”`, ` poll`; nothing of a text."""
    match content:
        case TextContent():
            return ""
        case AlbumContent(files):
            caption = files[0].caption
            return f" album of {len(files)} files{f' {in_quotes(caption, _SHOWN)}' if caption else ''}"
        case FileContent():
            shown = (content.file_name, content.caption)
            return " ".join([f" {content.kind}", *(in_quotes(words, _SHOWN) for words in shown if words)])
        case _:
            return f" {content.kind.replace('_', ' ')}"


async def told_later(services: Services, request: SendRequest, report: SendReport) -> Result:
    """Return the result that the sending tool would have returned, with a group's receipts as counts."""
    content, result = request.content, report.result
    match content:
        case ReactionContent() | EditContent() | RevokeContent() | VoteContent() | PinContent():
            message = await services.archive.message(content.message_id, chat=request.chat)
            return changed(result, message, content, services)
        case _:
            pass
    reply = ReplyTarget(ref=await _ref_of(services, request))
    mentions = await _mentioned(services, content)
    answer = sent(
        result, await _chat(services, request.chat), services, reply, mentions, content_told(content)
    )
    counts = report.counts
    if counts.people == 1 or not (counts.read or counts.delivered):
        return answer
    return replace(answer, text=f"{answer.summary.removesuffix('.')}; {counts_told(counts)}.")


def counts_told(counts: ReceiptCounts) -> str:
    """`read 3, delivered 20, no receipt 16`."""
    return f"read {counts.read}, delivered {counts.delivered}, no receipt {counts.without}"


async def _chat(services: Services, jid: str) -> Chat:
    if jid == STATUS_JID:
        return STATUS
    (candidate, *_) = await services.archive.resolve_chat(jid)
    return candidate.chat


async def _ref_of(services: Services, request: SendRequest) -> int | None:
    """The ref of what is answered."""
    if request.reply_to is None:
        return None
    try:
        return (await services.archive.message(request.reply_to, chat=request.reply_chat or request.chat)).ref
    except (MessageNotFound, Denied):
        return None


async def _mentioned(services: Services, content: Content) -> list[str]:
    if not isinstance(content, TextContent):
        return []
    if len(content.mentions) > _NAMED:
        return [f"{len(content.mentions)} people"]
    people = [await services.archive.contact(jid) for jid in content.mentions]
    return [called(person.name, person.stranger) for person in people if person]


def _change_told(content: Content, message: Message) -> tuple[str, str]:
    """Describe a change that was made: the text before the message's ref, and the text after it."""
    match content:
        case ReactionContent(emoji=emoji):
            return f"Reacted {emoji} to" if emoji else "Took back the reaction to", _of_whom(message)
        case EditContent(text=text):
            return "Edited", f"{_of_whom(message)}: {in_quotes(text, _SHOWN)}"
        case RevokeContent():
            return "Deleted", f" for everyone{_of_whom(message)}{_reached_before(message)}"
        case VoteContent(options=options):
            chosen = ", ".join(titled(name) for name in options)
            return (
                f"Voted {chosen} in" if options else "Took back the vote in",
                f" {titled(message.text)} in {place_of(message)}",
            )
        case PinContent(seconds=seconds):
            spans = {length: span for span, length in PINNED.items()}
            return ("Pinned", f" for {spans[seconds]}") if seconds else ("Unpinned", "")
        case _:
            raise TypeError(f"A {content.kind} changes no message.")


def _of_whom(message: Message) -> str:
    """` (Bob in Boat club)`: whose message was changed, and where."""
    whose = "the user's own" if message.from_me else called(message.sender_name, message.sender_stranger)
    place = f" in {place_of(message)}" if message.from_me or Jid.parse(message.chat).is_group else ""
    return f" ({whose}{place})"


def _reached_before(message: Message) -> str:
    """Describe the delivery of a message before its deletion; empty for other people's messages."""
    match message.status:
        case SendStatus.DELIVERED | SendStatus.READ:
            return f"; it had been {message.status.value}"
        case _:
            return "; no receipt had come" if message.from_me else ""


def _reason(result: SendResult) -> str:
    """Why it failed or waits, as an error said it then."""
    return clean_line(result.reason or "", 300)


def _reached(chat: Chat) -> str:
    """Return the recipient of a send: a name with its number, or a group, marked as a group."""
    jid, name = Jid.parse(chat.jid), named(chat)
    if jid.is_group:
        return f"{name} (group)"
    return f"{name} {jid.number}" if jid.number and jid.number != chat.name else name


def _details(reply: ReplyTarget | None, mentions: Sequence[str]) -> str:
    """`, in reply to #7, mentioning Ann`."""
    details = f", in reply to #{reply.ref}" if reply and reply.ref is not None else ""
    return (
        f"{details}, mentioning {', '.join(clean_name(name) for name in mentions)}" if mentions else details
    )
