"""A digest as a model reads it: a line for each fact, within the tokens that it may cost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, tzinfo
from typing import Final, NamedTuple, NotRequired

from typing_extensions import TypedDict

from whatsapp_mcp.models import ChatKind, ChatNews, Digest, Fact
from whatsapp_mcp.server.fencing import Text, called, chosen_name, clean, full_name, identifier, one_line
from whatsapp_mcp.server.render.data import MessageData, message_data
from whatsapp_mcp.server.render.message_line import View, body_of, sender_of
from whatsapp_mcp.server.render.times import DAY, day_of, short_stamp, stamp, time_of_day
from whatsapp_mcp.triage import LONGEST, NamedDay, Speech, named_days, read

_WIDTHS: Final = (120, 90, 70, 55, 45)
"""Characters of a message: as many as let every fact fit, else the last."""
_SHARE: Final = 0.9
"""Of the tokens, for facts; the rest is for the names of chats that have none."""
_FENCE: Final = 24
"""Tokens of the tags around the lines, and of line breaks beside them."""
_LEFT_OUT: Final = 30
"""Tokens of the note that facts were left out."""
_SENTENCE: Final = re.compile(r"[^.!?\n…]+[.!?…]*\s*")
_EXPLAINED: Final = "“to answer”: the user owes it; “unanswered”: the others do"


class FactData(MessageData):
    """A message that matters.

    `owes` is who owes what it asks or promises (`me`, `them`), `promised` says that it promises what nothing
    says was done, `days` are the days to come that it names, in the form `2026-11-27T19:00`.
    """

    owes: NotRequired[str]
    promised: NotRequired[bool]
    days: NotRequired[list[str]]


class NewsData(TypedDict):
    """What is new in a chat."""

    jid: str
    name: str
    kind: str
    stranger: NotRequired[bool]
    new: int
    unread: int
    facts: list[FactData]


class DigestData(TypedDict):
    """A time in all chats."""

    since: str
    new: int
    chats: list[NewsData]


def tokens_of(text: str) -> int:
    """About how many tokens a text costs a model: four characters of ASCII each, three bytes of others."""
    ascii_length = len(text) if text.isascii() else sum(char < "\x80" for char in text)
    return -(-ascii_length // 4) + -(-(len(text.encode("utf-8", "replace")) - ascii_length) // 3)


def digest_data(digest: Digest, zone: tzinfo) -> DigestData:
    """A digest for programs."""
    return DigestData(
        since=stamp(digest.since, zone),
        new=sum(news.new for news in digest.chats),
        chats=[_news_data(news, zone) for news in digest.chats],
    )


def _news_data(news: ChatNews, zone: tzinfo) -> NewsData:
    chat = news.chat
    data = NewsData(
        jid=identifier(chat.jid),
        name=full_name(chat.name),
        kind=str(chat.kind),
        new=news.new,
        unread=chat.unread,
        facts=[_fact_data(fact, zone) for fact in news.facts],
    )
    if chat.stranger:
        data["stranger"] = True
    return data


def _fact_data(fact: Fact, zone: tzinfo) -> FactData:
    data = FactData(**message_data(fact.message, zone, with_chat=False))
    if fact.owes:
        data["owes"] = fact.owes
    if fact.promised:
        data["promised"] = True
    if fact.days:
        data["days"] = [_day(one) for one in fact.days]
    return data


def _day(named: NamedDay) -> str:
    return f"{named.day}T{named.time:%H:%M}" if named.time else str(named.day)


class _Line(NamedTuple):
    """A fact, the chat that it is in, and its rank: the first matters most."""

    chat: int
    place: int
    rank: int
    text: str


def digest_text(
    data: DigestData, weights: Sequence[Sequence[int]], now: datetime, zone: tzinfo, tokens: int
) -> Text:
    """A digest that costs a model at most so many tokens, as `tokens_of` counts.

    Args:
        data: The same as structured content.
        weights: How much each fact of each chat matters.
        now: The present.
        zone: The person's.
        tokens: What it may cost, its fence included.
    """
    today = stamp(now, zone)
    head = _head(data, today)
    room = tokens - tokens_of(head) - _FENCE
    ranked = sorted(
        ((chat, place) for chat, news in enumerate(data["chats"]) for place in range(len(news["facts"]))),
        key=lambda at: (weights[at[0]][at[1]], data["chats"][at[0]]["facts"][at[1]]["timestamp"]),
        reverse=True,
    )
    headings = [_heading(news) for news in data["chats"]]
    points = [_point(data["chats"][chat]["facts"][place]) for chat, place in ranked]
    kept: list[_Line] = []
    for width in _WIDTHS:
        lines = [
            _Line(chat, place, rank, _line(*points[rank], today, width))
            for rank, (chat, place) in enumerate(ranked)
        ]
        kept = _fitting(lines, headings, int(room * _SHARE) - _LEFT_OUT)
        if len(kept) == len(lines):
            break
    shown = _in_order(kept, headings)
    left = len(ranked) - len(kept)
    notes = [f"({_counted(left, 'more fact')} left out: give more tokens, or a later since.)"] if left else []
    room -= sum(tokens_of(line) + 1 for line in (*shown, *notes))
    named = {line.chat for line in kept}
    others = _others([news for chat, news in enumerate(data["chats"]) if chat not in named], room)
    return Text(head, [*shown, *others], notes)


def _head(data: DigestData, today: str) -> str:
    since = data["since"]
    new, chats = _counted(data["new"], "new message"), _counted(len(data["chats"]), "chat")
    said = f"Since {day_of(since[DAY])} {time_of_day(since)}: {new} in {chats}"
    return f"{said} (now {day_of(today[DAY])} {time_of_day(today)}). {_EXPLAINED}."


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _fitting(lines: Sequence[_Line], headings: Sequence[str], room: int) -> list[_Line]:
    """The lines of most rank that fit, each chat with its heading."""
    kept: list[_Line] = []
    named: set[int] = set()
    for line in lines:
        heading = 0 if line.chat in named else tokens_of(headings[line.chat]) + 1
        cost = heading + tokens_of(line.text) + 1
        if cost > room:
            continue
        room -= cost
        named.add(line.chat)
        kept.append(line)
    return kept


def _in_order(kept: Sequence[_Line], headings: Sequence[str]) -> list[str]:
    """The lines below the headings of their chats: first the chat that matters most; facts oldest first."""
    by_chat: dict[int, list[_Line]] = {}
    for line in kept:
        by_chat.setdefault(line.chat, []).append(line)
    return [
        text
        for chat, lines in by_chat.items()
        for text in (headings[chat], *(line.text for line in sorted(lines, key=lambda line: line.place)))
    ]


def _label(news: NewsData) -> str:
    if news["kind"] == ChatKind.DIRECT:
        return called(news["name"], "stranger" in news)
    return f"{chosen_name(news['name'])} ({news['kind']})"


def _heading(news: NewsData) -> str:
    unread = f", {news['unread']} unread" if news["unread"] else ""
    return f"{_label(news)}, {news['new']} new{unread}"


class _Point(NamedTuple):
    """A fact with no more of its text than is looked at, and where the sentence begins that makes it one."""

    fact: FactData
    start: int


def _point(fact: FactData) -> _Point:
    """What is looked at once for each fact, however many widths are tried and however long its text is."""
    text = fact["text"]
    if len(text) > 2 * LONGEST:
        text = f"{text[:LONGEST]}\n{text[-LONGEST:]}"
    text = clean(text)
    start = 0
    if fact["kind"] == "text" and not fact.get("withheld") and len(text) > _WIDTHS[-1]:
        said = datetime.fromisoformat(fact["timestamp"]).date()
        start = next((one.start() for one in _sentences(text) if _matters(one[0], said)), 0)
    return _Point({**fact, "text": text}, start)


def _sentences(text: str) -> Iterator[re.Match[str]]:
    """Those of the beginning and the end of a text, where `triage.read` looks too."""
    half = LONGEST if len(text) <= LONGEST else LONGEST // 2
    yield from _SENTENCE.finditer(text, 0, half)
    yield from _SENTENCE.finditer(text, max(half, len(text) - half))


def _line(fact: FactData, start: int, today: str, width: int) -> str:
    """One line: `#1042 14:03 me, promised, Fri 2026-11-27: I'll bring it tomorrow`.

    Who a direct chat is with is named above.
    """
    who = f" {sender_of(fact, fact)[0]}" if "from_me" in fact or "sender" in fact else ""
    notes = [f"{fact['ref']} {short_stamp(fact['timestamp'], today)}{who}"]
    if "promised" in fact:
        notes.append("promised")
    elif "owes" in fact:
        notes.append("to answer" if fact["owes"] == "me" else "unanswered")
    notes += [f"{day_of(day)}{f' {day[11:]}' if len(day) > 10 else ''}" for day in fact.get("days", ())]
    return f"{', '.join(notes)}: {_words(fact, start, width)}"


def _words(fact: FactData, start: int, width: int) -> str:
    """What a message says, cut; of a long one from the sentence on that makes it a fact."""
    if fact["kind"] != "text" or fact.get("withheld"):
        return one_line(body_of(fact, fact, View(False, width, "")), 2 * width)
    text = fact["text"]
    if start and len(text) > width:
        text = f"…{text[start:]}"
    return one_line(text, width)


def _matters(sentence: str, said: date) -> bool:
    return bool(read(sentence) & (Speech.ASKS | Speech.PROMISES) or named_days(sentence, said))


def _others(chats: Sequence[NewsData], room: int) -> list[str]:
    """One line that names chats without facts, the newest first, as many as there is room for."""
    if not chats:
        return []
    head = f"{_counted(len(chats), 'chat')} with nothing of that"
    room -= tokens_of(head) + 4
    named: list[str] = []
    for news in chats:
        one = f"{_label(news)} {news['new']}"
        if (room := room - tokens_of(one) - 1) < 0:
            break
        named.append(one)
    return [f"{head}: {', '.join(named)}{' …' if len(named) < len(chats) else ''}"] if named else []
