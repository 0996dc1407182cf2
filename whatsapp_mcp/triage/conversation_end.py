"""Who waits for whom at the end of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Literal

from whatsapp_mcp.triage.speech import Speech, asks_everybody, read

READ: Final = 8
"""Messages at the end of a conversation that tell who waits: what is older is over, or was asked again."""


Side = Literal["me", "them"]
"""Who owes an answer or what was promised: the owner, or the other side."""


class Content(Enum):
    """What a message consists of beside its text."""

    TEXT = auto()
    VOICE = auto()
    """Somebody speaks; the text is the transcript, if there is one."""
    FILE = auto()
    """Something was handed over: a picture, a document, a place."""
    NOTHING = auto()
    """Nothing that asks or answers: a notice, a sticker."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation.

    Attributes:
        from_me: It is the owner's.
        sender: Who wrote it, if it is not; it only tells people apart.
        for_me: It mentions the owner or answers them.
        for_other: It mentions somebody else or answers them.
        reacted: Somebody on the other side set an emoji under it, which answers it.
    """

    text: str
    from_me: bool = False
    sender: str = ""
    content: Content = Content.TEXT
    for_me: bool = False
    for_other: bool = False
    reacted: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """Who waits, each by the place of the message that says so, oldest first.

    Attributes:
        to_answer: What the owner is asked and has not answered.
        asked: What the owner has asked and nobody has answered.
        own_promises: What the owner has promised, and nothing says is done.
        promises: What the other side has promised, and nothing says is done.
    """

    to_answer: tuple[int, ...] = ()
    asked: tuple[int, ...] = ()
    own_promises: tuple[int, ...] = ()
    promises: tuple[int, ...] = ()

    @property
    def for_me(self) -> int | None:
        """The newest message by which the owner owes something; None if they owe nothing."""
        return max((*self.to_answer, *self.own_promises), default=None)

    @property
    def for_them(self) -> int | None:
        """The newest message by which the other owes something; None if they owe nothing."""
        return max((*self.asked, *self.promises), default=None)


def waiting(turns: Sequence[Turn], *, group: bool = False) -> Waiting:
    """Who waits after these messages, the last of a conversation, oldest first."""
    reader = _Reader(turns, group)
    for place, turn in enumerate(turns):
        if turn.content is not Content.NOTHING:
            (reader.own if turn.from_me else reader.incoming)(place, turn)
    return Waiting(*map(tuple, (reader.to_answer, reader.asked, reader.own_promises, reader.promises)))


class _Reader:
    """Reads a conversation message by message; the lists are those of `Waiting`.

    A question is answered by anything but a promise to answer; a promise is kept by doing it, whatever is
    said in between.
    """

    def __init__(self, turns: Sequence[Turn], group: bool) -> None:
        self.turns = turns
        self.group = group
        self.to_answer: list[int] = []
        self.asked: list[int] = []
        self.own_promises: list[int] = []
        self.promises: list[int] = []

    def incoming(self, place: int, turn: Turn) -> None:
        """A message of the other side."""
        if not self._matters(place, turn):
            return
        says = read(turn.text)
        if _delivers(turn, says):
            self.promises.clear()
        if _answers(turn, says):
            self.asked.clear()
        if Speech.CANCELS in says:
            self.to_answer.clear()
        if Speech.PROMISES in says and self._concerns_me(place, turn):
            self.promises.append(place)
        if self._wants_me(turn, says) and not turn.reacted:
            self.to_answer.append(place)

    def own(self, place: int, turn: Turn) -> None:
        """A message of the owner."""
        says = read(turn.text)
        if _delivers(turn, says):
            self.own_promises.clear()
        if _answers(turn, says):
            self.to_answer.clear()
        if Speech.CANCELS in says:
            self.asked.clear()
        asks = Speech.ASKS in says and turn.content is not Content.FILE
        if Speech.PROMISES in says and not asks:
            self.own_promises.append(place)
        if asks and not turn.reacted:
            self.asked.append(place)

    def _matters(self, place: int, turn: Turn) -> bool:
        """Whether a message can change anything: most of what is said in a group is between others."""
        if not self.group or turn.for_me or self.asked or self._is_beside_own(place):
            return True
        return asks_everybody(turn.text)

    def _is_beside_own(self, place: int) -> bool:
        """Whether the owner speaks right before or after."""
        return any(one.from_me for one in self.turns[max(0, place - 1) : place + 2])

    def _concerns_me(self, place: int, turn: Turn) -> bool:
        """Whether a promise is made to the owner."""
        return not self.group or turn.for_me or (not turn.for_other and self._is_beside_own(place))

    def _wants_me(self, turn: Turn, says: Speech) -> bool:
        if turn.content is Content.VOICE and not turn.text:
            return not self.group or turn.for_me
        if Speech.ASKS not in says:
            return False
        if not self.group or turn.for_me:
            return True
        return Speech.EVERYBODY in says and Speech.ONE_OF_MANY not in says and not turn.for_other


def _delivers(turn: Turn, says: Speech) -> bool:
    """Whether a message may keep a promise; it then does for all that its side has promised."""
    return turn.content is not Content.TEXT or Speech.FULFILS in says


def _answers(turn: Turn, says: Speech) -> bool:
    return _delivers(turn, says) or not says & (Speech.NOT_YET | Speech.PROMISES | Speech.AGREES)
