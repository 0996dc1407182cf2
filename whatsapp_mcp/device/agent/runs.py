"""`Runs`: answers of an agent's command to what was handed on to it, each sent once."""

from __future__ import annotations

import json
import logging
import math
import re
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import anyio

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.agent import command, rules
from whatsapp_mcp.device.agent.admission import Admission
from whatsapp_mcp.device.agent.speaking import Speaker
from whatsapp_mcp.device.agent.words import AgentInput, words_of
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.supervise import contained
from whatsapp_mcp.errors import Busy, WhatsAppError
from whatsapp_mcp.ledger import AuditEntry, Exposure, Ledger
from whatsapp_mcp.models import Caller, HandOn, HandOnState, own_words
from whatsapp_mcp.settings import AgentSettings, CurrentSettings

PART: Final = 3_500
"""Characters of one message."""
_NOT_SHOWN: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
"""Colours of a terminal, and control characters but for tabs and line breaks."""
_CUT: Final = "…"
_TEXTS: Final = ("result", "text")
"""Members of a command's JSON with its answer, the preferred one first: `result` is that of `claude -p`."""
_COSTS: Final = ("total_cost_usd", "cost")
"""Members with its cost, in the same order."""


class AgentAnswer(NamedTuple):
    """The answer of a command.

    Attributes:
        text: To the chat; empty for nothing.
        cost: What it reported.
    """

    text: str
    cost: float = 0.0


def answer_in(output: str, form: str) -> AgentAnswer:
    """Parse the output of a command.

    Args:
        output: Its standard output.
        form: `text`, or `json` for an object with `result` or `text`, and `total_cost_usd` or `cost`.

    Raises:
        ValueError: It is not of this form.
    """
    if form == "text":
        return AgentAnswer(output)
    try:
        value = json.loads(output)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    document = cast("dict[str, Any]", value)
    text = next((document[name] for name in _TEXTS if isinstance(document.get(name), str)), None)
    if text is None:
        raise ValueError(f"no {' or '.join(_TEXTS)} in it")
    # JSON can name half a character, which nothing can write.
    return AgentAnswer(text.encode("utf-8", "replace").decode(), _cost_in(document))


def _cost_in(document: dict[str, Any]) -> float:
    costs = (document.get(name) for name in _COSTS)
    cost = next((each for each in costs if isinstance(each, int | float) and not isinstance(each, bool)), 0)
    try:
        value = float(cost)
    except OverflowError as error:
        raise ValueError("its cost is no such number") from error
    if not math.isfinite(value):
        raise ValueError("its cost is no such number")
    return max(0.0, value)


def parts_of(text: str, most: int) -> tuple[str, ...]:
    """A text as messages: at paragraphs, else at lines, sentences, words; none longer than `PART`.

    Args:
        text: As the agent wrote it.
        most: Characters of the whole; the rest is cut off, which shows.
    """
    left = _NOT_SHOWN.sub("", text.replace("\r\n", "\n")).strip()
    if len(left) > most:
        left = left[: most - 1].rstrip() + _CUT
    parts: list[str] = []
    while left:
        end = _end(left)
        parts.append(left[:end].rstrip())
        left = left[end:].lstrip()
    return tuple(part for part in parts if part)


def _end(text: str) -> int:
    """Return the position at which the first part of a text ends."""
    if len(text) <= PART:
        return len(text)
    for mark in ("\n\n", "\n", ". ", " "):
        # Not in the first half: a paragraph may end after a few words, and each part is a message.
        position = text.rfind(mark, PART // 2, PART)
        if position > 0:
            return position + len(mark.rstrip(" "))
    return PART


logger = logging.getLogger(__name__)


class Runs:
    """Runs the command for what waits, and sends what it says.

    Args:
        archive: Has the words.
        ledger: Has the queue.
        settings: With the command.
        clock: The leader's.
        admission: Finds the messages, and drops what cannot be answered.
        speaker: Speaks in the chats.
        folder: Where a command runs if the settings name no folder.
    """

    def __init__(
        self,
        archive: Archive,
        ledger: Ledger,
        settings: CurrentSettings,
        clock: Clock,
        admission: Admission,
        speaker: Speaker,
        folder: Path,
    ) -> None:
        self._archive = archive
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._admission = admission
        self._speaker = speaker
        self._folder = folder

    async def recover(self) -> None:
        """Let commands run again that a former leader has left."""
        for found in self._ledger.handed_on.open():
            if found.agent == "command":
                await self.retry(found.id)

    async def retry(self, number: int) -> None:
        """Let a command run again that does not run any more and came to no end; but none for ever."""
        hand_on = self._ledger.handed_on.get(number)
        if hand_on is None or hand_on.state is not HandOnState.TAKEN:
            return
        if hand_on.tries >= rules.MOST_TRIES:
            await self._fail(hand_on, "each run of the command was cut short")
        else:
            await self._ledger.handed_on.move(hand_on, HandOnState.WAITING, self._clock.now())

    async def answer(self, hand_on: HandOn) -> float | None:
        """Run the command for what waits, and send what it says.

        Returns:
            In how many seconds to send again what could not be sent now; None if nothing is left.
        """
        failure = Busy("This message cannot be answered.")
        try:
            return await contained(f"agent: {hand_on.id}", partial(self._answered, hand_on), lambda: failure)
        except WhatsAppError as error:
            if error is not failure:
                raise
            # Tried again, it would fail again.
            await self._fail(
                self._ledger.handed_on.get(hand_on.id) or hand_on, "the server has an internal error"
            )
            return None

    async def _answered(self, hand_on: HandOn) -> float | None:
        answering = hand_on if hand_on.state is HandOnState.ANSWERING else await self._ran(hand_on)
        if answering is None:
            return None
        try:
            again = await self._speaker.answer(answering)
        except WhatsAppError as error:
            await self._fail(answering, f"the answer could not be sent ({error.code})")
            return None
        if again is None:
            await self._end(answering, HandOnState.ANSWERED)
        return again

    async def _ran(self, hand_on: HandOn) -> HandOn | None:
        """Run the command and record its answer; None if there is no answer to send."""
        agent = self._settings.now().agent
        handed = await self._hand_out(hand_on)
        if handed is None:
            return None
        record = self._ledger.handed_on
        # Written down before it runs, as a try: a command over which leaders die is given up (`retry`).
        if not await record.move(hand_on, HandOnState.TAKEN, self._clock.now(), is_try=True):
            return None
        taken = record.get(hand_on.id)
        assert taken is not None
        ended = await self._run(agent, taken, handed)
        try:
            answer = answer_in(ended.output, agent.output) if ended.output is not None else AgentAnswer("")
        except ValueError:
            ended, answer = command.Ended(None, "the command printed no such JSON"), AgentAnswer("")
        if ended.output is None:
            await self._fail(taken, ended.reason)
            return None
        parts = parts_of(answer.text, agent.limits.characters)
        if not parts:
            await self._end(taken, HandOnState.ANSWERED, cost=answer.cost)
            return None
        # Before the first part is sent: the next leader sends the rest, and does not run the command again.
        await record.move(taken, HandOnState.ANSWERING, self._clock.now(), parts=parts, cost=answer.cost)
        return record.get(hand_on.id)

    async def _hand_out(self, hand_on: HandOn) -> AgentInput | None:
        """The words for the command; that they leave is written down before."""
        messages = await self._admission.messages(hand_on)
        chat = await self._archive.chat_facts(hand_on.chat)
        settings, sources = self._settings.now(), await self._archive.repeated_sources(own_words(messages))
        tainted = {each for each, whose in sources.items() if Exposure.STRANGER in whose}
        handed = await words_of(self._archive, hand_on, chat, messages, settings.zone, tainted)
        if not handed.has_order:
            await self._admission.drop(hand_on, "its messages were deleted or changed")
            return None
        caller = await self._speaker.caller_of(hand_on.chat)
        if handed.strangers:
            await self._ledger.expose(caller.principal, Exposure.STRANGER)
        if settings.policy.mode == "lockdown":
            await self._ledger.expose(caller.principal, Exposure.CONTACT)
        refs = tuple(message.ref for message in messages)
        self._ledger.audit.read(AuditEntry(caller, "handed_on", (hand_on.chat,), refs))
        return handed

    async def _run(self, agent: AgentSettings, hand_on: HandOn, handed: AgentInput) -> command.Ended:
        caller: Caller = await self._speaker.caller_of(hand_on.chat)
        folder = agent.folder or self._folder
        await anyio.to_thread.run_sync(_make, folder, agent.folder is None)
        environment = command.environment_of(agent, caller)
        ended = command.Ended(None, "the command was not run")
        async with self._speaker.at_work(hand_on, agent.working):
            ended = await command.run(agent, handed.encoded(), environment, folder)
        return ended  # noqa: RET504  the type checker takes a context manager for one that may swallow errors

    async def _end(self, hand_on: HandOn, state: HandOnState, *, reason: str = "", cost: float = 0.0) -> None:
        moved = await self._ledger.handed_on.move(hand_on, state, self._clock.now(), reason=reason, cost=cost)
        if moved and self._settings.now().agent.working:
            await self._speaker.done(hand_on)

    async def _fail(self, hand_on: HandOn, reason: str) -> None:
        """Nobody answers: the owner is told in their own chat, others what the person wants said."""
        logger.warning("agent: %d is not answered: %s", hand_on.id, reason)
        await self._end(hand_on, HandOnState.DROPPED, reason=reason)
        chat = await self._archive.chat_facts(hand_on.chat)
        if chat.is_own:
            await self._speaker.tell_owner(hand_on.chat, hand_on, f"No answer: {reason}.")
        else:
            await self._speaker.say_away(self._settings.now().agent, hand_on)


def _make(folder: Path, is_ours: bool) -> None:
    if is_ours:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
