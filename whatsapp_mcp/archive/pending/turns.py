"""Messages as triage takes them: what was said, whether it is for the owner, what answers it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.state import Target
from whatsapp_mcp.decoding import KIND_NUMBER, OWNER, Flag
from whatsapp_mcp.models import MessageKind
from whatsapp_mcp.triage import LONGEST, Content, Turn, Waiting, waiting

_HALF: Final = LONGEST // 2
_VOICE: Final = KIND_NUMBER[MessageKind.VOICE]
_TEXT: Final = KIND_NUMBER[MessageKind.TEXT]
_FILES: Final = frozenset(
    KIND_NUMBER[kind]
    for kind in (
        MessageKind.IMAGE,
        MessageKind.VIDEO,
        MessageKind.GIF,
        MessageKind.AUDIO,
        MessageKind.DOCUMENT,
        MessageKind.LOCATION,
        MessageKind.LIVE_LOCATION,
        MessageKind.CONTACT,
    )
)
_PASSED_ON: Final = int(Flag.FORWARDED | Flag.IMPORTED)
_MENTIONS_ME: Final = int(Flag.MENTIONS_ME)


def _ends(column: str) -> str:
    """SQL for the beginning and the end of a text, as far as triage reads it."""
    return (
        f"CASE WHEN length({column}) <= {LONGEST} THEN {column}"
        f" ELSE substr({column}, 1, {_HALF}) || char(10) || substr({column}, -{_HALF}) END"
    )


_SELECT: Final = f"""SELECT m.id, m.ref, m.chat_id, m.sender_id, m.wa_id, m.kind, m.flags, m.revoked_at,
 CASE m.kind WHEN {_VOICE} THEN (SELECT {_ends("r.text")} FROM readings AS r WHERE r.message_id = m.id)
 ELSE {_ends("m.text")} END,
 CASE WHEN m.reply_wa_id IS NOT NULL THEN (SELECT q.sender_id FROM messages AS q
 WHERE q.chat_id = m.chat_id AND q.wa_id = m.reply_wa_id LIMIT 1) END,
 m.details LIKE '%"mentions":%'
 FROM messages AS m"""  # noqa: S608


class SaidRow(NamedTuple):
    """A message; `answers` is whose message it answers, `mentions` whether it mentions anybody."""

    id: int
    ref: int
    chat: int
    sender: int
    wa_id: str
    kind: int
    flags: int
    revoked_at: int | None
    text: str | None
    answers: int | None
    mentions: int | None

    @property
    def target(self) -> Target:
        """The message as that of its add-ons."""
        return Target(self.chat, self.wa_id, self.sender)

    @property
    def own_text(self) -> str:
        """What its sender says themselves."""
        return "" if self.flags & _PASSED_ON or self.revoked_at is not None else self.text or ""

    @property
    def for_owner(self) -> bool:
        """Whether it mentions the owner or answers them."""
        return bool(self.flags & _MENTIONS_ME) or self.answers == OWNER

    @property
    def turn(self) -> Turn:
        """The message as triage takes it."""
        content, for_me = self._content, self.for_owner
        return Turn(
            "" if content is Content.NOTHING else self.own_text,
            self.sender == OWNER,
            content=content,
            for_me=for_me,
            for_other=not for_me and (bool(self.mentions) or self.answers is not None),
        )

    @property
    def _content(self) -> Content:
        if self.revoked_at is not None:
            return Content.NOTHING
        if self.kind == _TEXT:
            return Content.FILE if self.flags & _PASSED_ON else Content.TEXT
        if self.kind == _VOICE:
            return Content.VOICE
        return Content.FILE if self.kind in _FILES else Content.NOTHING


def said_rows(db: sqlite3.Connection, rest: str, values: Sequence[Any]) -> list[SaidRow]:
    """Rows of messages (`m`); `rest` is the SQL from WHERE on."""
    return [*map(SaidRow._make, db.execute(f"{_SELECT} {rest}", values))]


def who_waits(db: sqlite3.Connection, said: Sequence[SaidRow], *, group: bool) -> Waiting:
    """Who waits after these messages of one chat, oldest first."""
    turns = [row.turn for row in said]
    found = waiting(turns, group=group)
    open_ends = {*found.to_answer, *found.asked}
    reacted = _reacted(db, [said[place] for place in open_ends]) if open_ends else frozenset[int]()
    if not reacted:
        return found
    return waiting(
        [replace(turn, reacted=row.id in reacted) for turn, row in zip(turns, said, strict=True)], group=group
    )


def _reacted(db: sqlite3.Connection, said: Sequence[SaidRow]) -> frozenset[int]:
    """Those of messages under which the other side has set an emoji, by id."""
    by_target = {row.target: row for row in said}
    found = state.current_addons(db, state.REACTIONS, by_target)
    return frozenset(
        by_target[target].id
        for target, addons in found.items()
        if any(one.says[0] and (one.person == OWNER) != (target.sender == OWNER) for one in addons)
    )
