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
    """Who waits, each by the place of the message that says so; None: nobody.

    Attributes:
        for_me: The owner owes an answer, or what they promised.
        for_them: The other owes it.
        promises: The places of promises, of either side, that nothing says were kept.
    """

    for_me: int | None = None
    for_them: int | None = None
    promises: tuple[int, ...] = ()


def waiting(turns: Sequence[Turn], *, group: bool = False) -> Waiting:
    """Who waits after these messages, the last of a conversation, oldest first."""
    state = _State(turns, group)
    for place, turn in enumerate(turns):
        if turn.content is not Content.NOTHING:
            (state.own if turn.from_me else state.incoming)(place, turn)
    return Waiting(state.for_me, state.for_them, tuple(state.promises))


class _State:
    """What is open while the messages are read one by one."""

    def __init__(self, turns: Sequence[Turn], group: bool) -> None:
        self.turns = turns
        self.group = group
        self.for_me: int | None = None
        self.for_them: int | None = None
        self.promises: list[int] = []
        self._own_promise = False
        self._their_promise = False

    def incoming(self, place: int, turn: Turn) -> None:
        """A message of the other side."""
        if not self._matters(place, turn):
            return
        says = read(turn.text)
        delivers = self._delivers(turn, says)
        if self.for_them is not None and not _leaves_open(says, self._their_promise, delivers):
            self.for_them = None
        if Speech.PROMISES in says and self._concerns_me(place, turn):
            self.for_them, self._their_promise = place, True
            self.promises.append(place)
        if Speech.CANCELS in says and not self._own_promise:
            self.for_me = None
        if self._wants_me(turn, says):
            self.for_me, self._own_promise = place, False
        if turn.reacted and self.for_me == place:
            self.for_me = None

    def own(self, place: int, turn: Turn) -> None:
        """A message of the owner."""
        says = read(turn.text)
        delivers = self._delivers(turn, says)
        if self.for_me is not None and not _leaves_open(says, self._own_promise, delivers):
            self.for_me = None
        if Speech.PROMISES in says and Speech.ASKS not in says:
            self.for_me, self._own_promise = place, True
            self.promises.append(place)
        if Speech.CANCELS in says and not self._their_promise:
            self.for_them = None
        if Speech.ASKS in says and turn.content is not Content.FILE:
            self.for_them, self._their_promise = place, False
        if turn.reacted and self.for_them == place:
            self.for_them = None

    def _matters(self, place: int, turn: Turn) -> bool:
        """Whether a message can change anything: most of what is said in a group is between others."""
        if not self.group or turn.for_me or self.for_them is not None or self._is_beside_own(place):
            return True
        return asks_everybody(turn.text)

    def _delivers(self, turn: Turn, says: Speech) -> bool:
        """Whether a message may keep a promise; it then does for all that its side has promised."""
        delivers = turn.content is not Content.TEXT or Speech.FULFILS in says
        if delivers and self.promises:
            self.promises = [one for one in self.promises if self.turns[one].from_me != turn.from_me]
        return delivers

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


def _leaves_open(says: Speech, promised: bool, delivers: bool) -> bool:
    """Whether what is owed stays so after a message of whoever owes it.

    A promise is kept by doing it, whatever is said in between; a question is answered by anything but a
    promise to answer.
    """
    if delivers:
        return False
    return promised or bool(says & (Speech.NOT_YET | Speech.PROMISES | Speech.AGREES))
