"""The search language, read so that nothing is ever an error.

Words, `"phrases"`, `prefix*`, `-exclusion`; `this OR that`, of words, `has:` and `is:`, which binds closer
than what stands side by side; `from:`, `in:`, `has:`, `is:`, `before:`, `until:`, `after:`, `since:` with a
word or a `"quoted value"`.
What does not make sense as an operator is searched as text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Final

from whatsapp_mcp.archive.database import tokens, tokens_text
from whatsapp_mcp.archive.state import ADDONS, AddOn
from whatsapp_mcp.decoding import UNREAD_SQL, Flag
from whatsapp_mcp.models import MessageKind
from whatsapp_mcp.text import time_grammar

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
_JOINED: Final = {"has", "is"}
"""Operators that an OR may join."""
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
"""Values of `has:`, beside `media`, `link` and `transcript`, with their kinds of messages."""


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
"""Values of `is:`, each with the SQL condition on a message (`m`)."""


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
class Alternatives:
    """Alternatives of an OR, of which one is enough; most often a single word.

    `has` and `states` are as those of a query; `pieces` are all of it as typed.
    """

    terms: list[Term] = field(default_factory=list[Term])
    texts: list[str] = field(default_factory=list[str])
    has: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    states: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    pieces: list[str] = field(default_factory=list[str])

    def add_text(self, text: str, exact: bool) -> None:
        """Add a piece that is searched as text."""
        if (term := _term(text, exact)) is not None:
            self.terms.append(term)
        self.texts.append(text if exact else text.rstrip("*"))

    @property
    def are_mixed(self) -> bool:
        """True if the index of words alone cannot find them."""
        return len(self.has) + len(self.states) + bool(self.texts) > 1


@dataclass(slots=True)
class Query:
    """A query taken apart: any term of each tuple in `wanted` is to be found, any text of each in `texts`.

    `senders` and `chats` are names as typed, with whether they are excluded; `mixed` are alternatives that
    are not words alone; `apart` are other operators after an OR: they narrow the whole search.
    `without_words` are its operators alone.
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
    mixed: list[Alternatives] = field(default_factory=list[Alternatives])
    apart: list[str] = field(default_factory=list[str])
    without_words: str = ""

    @property
    def terms(self) -> list[Term]:
        """Every term that may be found."""
        every = [*self.wanted, *(one.terms for one in self.mixed)]
        return [term for alternatives in every for term in alternatives]

    def add_text(self, text: str, excluded: bool = False, exact: bool = False) -> None:
        """Search a text that is no operator, beside what is searched already."""
        if excluded:
            self.unwanted += [term] if (term := _term(text, exact)) else []
            return
        alternatives = Alternatives()
        alternatives.add_text(text, exact=False)
        self.add(alternatives)

    def add(self, alternatives: Alternatives) -> None:
        """Search alternatives, beside what is searched already."""
        if alternatives.are_mixed:
            self.mixed.append(alternatives)
            return
        self.has += alternatives.has
        self.states += alternatives.states
        self.wanted += [tuple(alternatives.terms)] if alternatives.terms else []
        self.texts += [tuple(alternatives.texts)] if alternatives.texts else []


def _term(text: str, exact: bool = False) -> Term | None:
    """A piece for the index; None where it holds nothing that is indexed."""
    term_tokens = tokens(text)
    if not term_tokens:
        return None
    # A quote would end the phrase, and NUL the query: nothing that is typed becomes syntax of FTS5.
    cut = tokens_text(text).replace('"', " ").replace("\x00", " ").strip(" *")
    return Term(tuple(term_tokens), text.endswith("*") and not exact, cut)


def any_of(wanted: list[tuple[Term, ...]]) -> list[tuple[Term, ...]]:
    """The same words, of which any is to be found, or what begins with it."""
    words = dict.fromkeys(word for terms in wanted for term in terms for word in term.text.split())
    terms = tuple(Term(tuple(term_tokens), True, word) for word in words if (term_tokens := tokens(word)))
    return [terms] if terms else []


def parse(text: str, zone: tzinfo = UTC, now: datetime | None = None) -> Query:
    """Take a query apart; times are read by `time_grammar`. Of a very long one the beginning counts."""
    query, now = Query(), now or datetime.now(UTC)
    groups: list[Alternatives] = []
    operators: list[str] = []
    alternative = False
    for piece in islice(_PIECE.finditer(text[:_LONGEST]), _MOST):
        if piece[0] in _OR and groups and not alternative:
            alternative = True
            continue
        operator, excluded, quoted = (piece["op"] or "").lower(), piece["no"] is not None, piece["quoted"]
        value = piece["word"] if quoted is None else quoted
        joined = groups[-1] if alternative else Alternatives()
        is_new, alternative = not alternative, False
        if operator in _JOINED and _narrow(joined, operator, value.strip(), excluded):
            joined.pieces.append(piece[0])
        elif operator in _OPERATORS - _JOINED and _operate(
            query, operator, value.strip(), excluded, zone, now
        ):
            operators.append(piece[0])
            query.apart += [] if is_new else [piece[0]]
            continue
        else:
            whole = f"{piece['op']}:{value}" if piece["op"] else value
            if excluded:
                query.add_text(whole, excluded, quoted is not None)
                continue
            joined.add_text(whole, quoted is not None)
        groups += [joined] if is_new else []
    for one in groups:
        query.add(one)
    operators += [" OR ".join(one.pieces) for one in groups if not one.texts]
    query.without_words = " ".join(operators)
    return query


def _narrow(joined: Alternatives, operator: str, value: str, excluded: bool) -> bool:
    """Add `has:` or `is:` to alternatives; False where it means nothing."""
    if operator == "has":
        known = value.lower().removesuffix("s")
        if known in HAS or known in ("media", "link", "transcript"):
            joined.has.append((known, excluded))
            return True
    elif value.lower() in IS:
        joined.states.append((value.lower(), excluded))
        return True
    return False


def _operate(query: Query, operator: str, value: str, excluded: bool, zone: tzinfo, now: datetime) -> bool:
    if not value:
        return False
    match operator:
        case "from" | "in":
            names = query.senders if operator == "from" else query.chats
            if len(names) == _NAMES:
                return False
            names.append((value, excluded))
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
