"""The search language, read so that nothing is ever an error.

Words, `"phrases"`, `prefix*`, `-exclusion`; `this OR that`, which binds closer than words side by side;
`from:`, `in:`, `has:`, `is:`, `before:`, `until:`, `after:`, `since:` with a word or a `"quoted value"`.
What does not make sense as an operator is searched as text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Final, TypeVar

from whatsapp_mcp import time_grammar
from whatsapp_mcp.archive.database import tokens, tokens_text
from whatsapp_mcp.archive.state import ADDONS, AddOn
from whatsapp_mcp.decoding import UNREAD_SQL, Flag
from whatsapp_mcp.models import MessageKind

_T = TypeVar("_T")
_PIECE: Final = re.compile(
    r"""(?P<no>-)?(?:(?P<op>[a-zA-Z]{2,6}):)?(?:["“”„«](?P<quoted>[^"“”»]*)["“”»]?|(?P<word>[^\s"“”„«»]+))"""
)
_MOST: Final = 400
"""Pieces of a query that are looked at: SQLite takes no condition of a thousand parts."""
_NAMES: Final = 8
"""People, and chats, that a query is narrowed to: each is looked for among all names."""
_LONGEST: Final = 4_000
"""Characters of a query that are looked at: in Chinese as many words in a row."""
_OR: Final = {"OR", "|"}
_OPERATORS: Final = {"from", "in", "has", "is", "before", "after", "since", "until"}
HAS: Final[dict[str, tuple[MessageKind, ...]]] = {
    "image": (MessageKind.IMAGE,),
    "photo": (MessageKind.IMAGE,),
    "picture": (MessageKind.IMAGE,),
    "video": (MessageKind.VIDEO, MessageKind.GIF),
    "gif": (MessageKind.GIF,),
    "audio": (MessageKind.AUDIO, MessageKind.VOICE),
    "voice": (MessageKind.VOICE,),
    "document": (MessageKind.DOCUMENT,),
    "file": (MessageKind.DOCUMENT,),
    "sticker": (MessageKind.STICKER,),
    "location": (MessageKind.LOCATION, MessageKind.LIVE_LOCATION),
    "contact": (MessageKind.CONTACT,),
    "poll": (MessageKind.POLL,),
    "event": (MessageKind.EVENT,),
    "call": (MessageKind.CALL,),
}
"""What may stand after `has:`, beside `media`, `link` and `transcript`."""


def _found_by(kind: AddOn) -> str:
    """SQL for the messages (`m`) that a kind's `word` finds.

    Of several at the newest moment, whosever they are, the one counts that is worth most. All of a kind are
    looked at once for a search, each by indexes: they are few, and messages are many. With the view of chats
    among the joined tables, SQLite walks through the messages of every group instead.
    """
    return f"""m.id IN (SELECT id FROM (SELECT w.id, {kind.worth} AS worth,
        row_number() OVER (PARTITION BY w.id ORDER BY t.at DESC, {kind.worth} DESC) AS turn
        FROM {kind.table} AS t CROSS JOIN messages AS w INDEXED BY messages_key
            ON w.chat_id IN (SELECT chat_id FROM chat_addresses WHERE address_id = t.chat_address)
            AND w.wa_id = t.wa_id AND w.revoked_at IS NULL)
        WHERE turn = 1 AND worth)"""  # noqa: S608


IS: Final[dict[str, str]] = {
    "unread": UNREAD_SQL,
    "starred": f"m.flags & {int(Flag.STARRED)} != 0",
    "mine": "m.sender_id = 0",
    "forwarded": f"m.flags & {int(Flag.FORWARDED)} != 0",
    "mention": f"m.flags & {int(Flag.MENTIONS_ME)} != 0",
    "edited": "m.edited_at IS NOT NULL",
    "reply": "m.reply_wa_id IS NOT NULL",
    **{kind.word: _found_by(kind) for kind in ADDONS if kind.word},
}
"""What may stand after `is:`, and SQL for the messages (`m`) of which it is true."""


@dataclass(frozen=True, slots=True)
class Term:
    """Tokens that follow one another; with `prefix` the last one may go on.

    `text` is what they were cut from: the index cuts it again, by its own table of letters.
    """

    tokens: tuple[str, ...]
    prefix: bool
    text: str

    def match(self) -> str:
        """The term in the language of the index."""
        return f'"{self.text}"' + ("*" if self.prefix else "")


@dataclass(slots=True)
class Query:
    """A query taken apart: any term of each tuple in `wanted` is to be found, any text of each in `texts`.

    `senders` and `chats` are names as typed, with whether they are excluded; `apart` are operators after an
    OR, which joins words alone: they narrow the whole search.
    """

    wanted: list[tuple[Term, ...]] = field(default_factory=list[tuple[Term, ...]])
    unwanted: list[Term] = field(default_factory=list[Term])
    senders: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    chats: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    has: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    states: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    since: datetime | None = None
    until: datetime | None = None
    texts: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    apart: list[str] = field(default_factory=list[str])

    @property
    def terms(self) -> list[Term]:
        """Every term that may be found."""
        return [term for alternatives in self.wanted for term in alternatives]

    def add_text(
        self, text: str, excluded: bool = False, exact: bool = False, alternative: bool = False
    ) -> None:
        """Search a piece as text: beside what is searched already, or instead of the last of it."""
        found = tokens(text)
        if found:
            prefix = text.endswith("*") and not exact
            cut = tokens_text(text).replace('"', " ").replace("\x00", " ").strip(" *")
            term = Term(tuple(found), prefix, cut)
            if excluded:
                self.unwanted.append(term)
            else:
                _add(self.wanted, term, alternative)
        if not excluded:
            _add(self.texts, text if exact else text.rstrip("*"), alternative)


def _add(groups: list[tuple[_T, ...]], one: _T, alternative: bool) -> None:
    if alternative and groups:
        groups[-1] = (*groups[-1], one)
    else:
        groups.append((one,))


def any_of(wanted: list[tuple[Term, ...]]) -> list[tuple[Term, ...]]:
    """The same words, of which any is to be found, or what begins with it."""
    words = dict.fromkeys(word for terms in wanted for term in terms for word in term.text.split())
    terms = tuple(Term(tuple(found), True, word) for word in words if (found := tokens(word)))
    return [terms] if terms else []


def parse(text: str, zone: tzinfo = UTC, now: datetime | None = None) -> Query:
    """Take a query apart; times are read by `time_grammar`. Of a very long one the beginning counts."""
    query = Query()
    now = now or datetime.now(UTC)
    alternative = False
    for piece in islice(_PIECE.finditer(text[:_LONGEST]), _MOST):
        excluded = piece["no"] is not None
        operator = (piece["op"] or "").lower()
        quoted = piece["quoted"]
        value = piece["word"] if quoted is None else quoted
        if piece[0] in _OR and query.texts and not alternative:
            alternative = True
            continue
        if operator in _OPERATORS and _operate(query, operator, value.strip(), excluded, zone, now):
            query.apart += [piece[0]] * alternative
        else:
            whole = f"{piece['op']}:{value}" if piece["op"] else value
            query.add_text(whole, excluded, quoted is not None, alternative)
        alternative = False
    return query


def _operate(query: Query, operator: str, value: str, excluded: bool, zone: tzinfo, now: datetime) -> bool:
    if not value:
        return False
    known = value.lower().removesuffix("s")
    match operator:
        case "from" | "in":
            names = query.senders if operator == "from" else query.chats
            if len(names) == _NAMES:
                return False
            names.append((value, excluded))
        case "has":
            if known not in HAS and known not in ("media", "link", "transcript"):
                return False
            query.has.append((known, excluded))
        case "is":
            if value.lower() not in IS:
                return False
            query.states.append((value.lower(), excluded))
        case _:
            span = time_grammar.read(value, zone, now)
            if span is None or excluded:
                return False
            if operator in ("before", "until"):
                end = span.start if operator == "before" else span.end
                query.until = min(end, query.until or end)
            else:
                query.since = max(span.start, query.since or span.start)
    return True
