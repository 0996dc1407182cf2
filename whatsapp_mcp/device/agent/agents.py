"""`Agents`: hands messages on to the agents of their chats, and has their answers sent."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import anyio
from anyio.abc import TaskGroup

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.agent import rules
from whatsapp_mcp.device.agent.admission import Admission
from whatsapp_mcp.device.agent.router import Router
from whatsapp_mcp.device.agent.runs import Runs
from whatsapp_mcp.device.agent.speaking import Acting, Speaker
from whatsapp_mcp.device.clock import Clock, within
from whatsapp_mcp.device.guard import phone_message_in
from whatsapp_mcp.device.operations import files, never
from whatsapp_mcp.errors import InvalidArgument, WhatsAppError
from whatsapp_mcp.ledger import Ledger
from whatsapp_mcp.models import AgentChat, AgentStatus, HandOn, HandOnState, JournalEvent, Pairing
from whatsapp_mcp.policy import agent_of
from whatsapp_mcp.settings import OWN_CHAT, AccountFolder, AgentSettings, CurrentSettings

_LOOK: Final = 5.0
"""Seconds between looks although nothing is known to have come."""
_OFTEN: Final = 0.2
"""The same while a burst settles."""
_OFF: Final = 5.0
"""Seconds until agents that are off may be found to be on."""
_AT_ONCE: Final = 2
"""Commands that run at the same time."""
_GIVEN: Final = 20
"""Hand-ons that a channel gets at once."""
_LEASE: Final = 60.0
"""Seconds that a channel has to pass on what it got, before another session of it gets the same."""

logger = logging.getLogger(__name__)


def new_code() -> str:
    """Six digits, for a stranger."""
    return f"{secrets.randbelow(1_000_000):06d}"


class _Lease(NamedTuple):
    """The lease of a hand-on: whether its holder's process is gone, and until when it is exclusive."""

    has_ended: Callable[[], bool]
    until: float


class Agents:
    """The agents of an account, in its leader.

    Args:
        archive: What is said.
        ledger: Has the queue.
        settings: Say which chats have an agent; read again whenever something comes.
        acting: The leader's device behind its check, for a caller.
        clock: The leader's.
        folder: The account's.
        own: The account's own addresses without a device.
        new_code: Makes the code that a stranger is told.
    """

    def __init__(
        self,
        archive: Archive,
        ledger: Ledger,
        settings: CurrentSettings,
        acting: Acting,
        clock: Clock,
        folder: AccountFolder,
        own: Callable[[], Collection[str]],
        new_code: Callable[[], str] = new_code,
    ) -> None:
        self._archive = archive
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._own = own
        self._new_code = new_code
        self._acting = acting
        self._speaker = Speaker(archive, acting, clock)
        self._admission = Admission(archive, ledger, settings, clock, self._speaker.tell_edited)
        self._router = Router(
            archive,
            ledger,
            settings,
            clock.now,
            self._tell_stranger,
            self._let_in,
            self._speaker.tell_edited,
        )
        self._runs = Runs(
            archive, ledger, settings, clock, self._admission, self._speaker, folder.path / "agent"
        )
        self._busy: set[str] = set()
        self._not_before: dict[int, float] = {}
        self._leases: dict[int, _Lease] = {}
        self._told_away: set[int] = set()
        self._transcribed: set[int] = set()
        self._passed_on: list[tuple[HandOn, int]] = []
        self._wake = anyio.Event()
        self._waits = anyio.Event()

    async def hear(self, events: Sequence[JournalEvent]) -> None:
        """Note what the owner's phone itself wrote; called with events before they are archived."""
        if not self._settings.now().agent.is_on:
            return
        own = self._own()
        written = [message for event in events if (message := phone_message_in(event, own)) is not None]
        if written:
            try:
                await self._ledger.handed_on.note_phone(written, self._clock.now())
            except WhatsAppError as error:
                # Archiving must go on: these are not handed on.
                logger.error("agent: what the phone wrote cannot be noted: %s", error.code)

    async def run(self) -> None:
        """Hand on what comes, until cancelled."""
        await self._runs.recover()
        async with anyio.create_task_group() as tasks:
            while True:
                seen = await self._router.take_in()
                settling = await self._look(tasks)
                while self._passed_on:
                    tasks.start_soon(self._accompany, *self._passed_on.pop())
                await self._wait(seen, _OFTEN if settling else _LOOK)

    async def _wait(self, seen: int, pause: float) -> None:
        """Return after a change of the archive, while agents are on, the end of a run, or a pause."""
        if not self._settings.now().agent.is_on:
            await within(self._clock, _OFF, self._wake.wait)
            self._wake = anyio.Event()
            return
        with self._clock.limit(pause):
            async with anyio.create_task_group() as waiting:

                async def changed() -> None:
                    await self._archive.wait_change(seen, pause)
                    waiting.cancel_scope.cancel()

                waiting.start_soon(changed)
                await self._wake.wait()
                waiting.cancel_scope.cancel()
        self._wake = anyio.Event()

    async def _look(self, tasks: TaskGroup) -> bool:
        """Begin what can be begun; answers whether something settles."""
        settling, every = False, self._ledger.handed_on.open()
        self._forget_all_but({found.id for found in every})
        for found in every:
            match found.state:
                case HandOnState.SETTLING:
                    settling |= not await self._settle(tasks, found)
                case HandOnState.WAITING | HandOnState.ANSWERING if found.agent == "command":
                    await self._begin(tasks, found)
                case HandOnState.TAKEN if found.agent == "command":
                    if found.chat not in self._busy:  # a run whose end could not be written down
                        await self._runs.retry(found.id)
                case HandOnState.WAITING | HandOnState.TAKEN:
                    await self._look_after(found)
                case _:
                    pass
        return settling

    def _forget_all_but(self, numbers: Collection[int]) -> None:
        self._told_away.intersection_update(numbers)
        self._not_before = {number: at for number, at in self._not_before.items() if number in numbers}
        self._leases = {number: lease for number, lease in self._leases.items() if number in numbers}
        if not numbers:
            self._transcribed.clear()

    async def _settle(self, tasks: TaskGroup, hand_on: HandOn) -> bool:
        for ref in await self._admission.unheard_voices(hand_on):
            if ref not in self._transcribed:
                self._transcribed.add(ref)
                tasks.start_soon(self._transcribe, hand_on.chat, ref)
        if not await self._admission.settle(hand_on):
            return hand_on.order_ref is None  # it waits for minutes: no need to look often
        self._waits.set()
        self._waits = anyio.Event()
        waiting = self._ledger.handed_on.get(hand_on.id)
        if waiting is not None and hand_on.agent == "command":
            await self._begin(tasks, waiting)
        return True

    async def _transcribe(self, chat: str, ref: int) -> None:
        """Have a voice note read; without a transcript it is handed on as one."""
        device = self._acting(await self._speaker.caller_of(chat))
        try:
            await device.do(files.read_file, ref)
        except WhatsAppError as error:
            logger.info("agent: #%d is not transcribed: %s", ref, error.code)
        self._wake.set()

    async def _begin(self, tasks: TaskGroup, hand_on: HandOn) -> None:
        if hand_on.chat in self._busy or len(self._busy) >= _AT_ONCE:
            return
        if self._clock.monotonic() < self._not_before.get(hand_on.id, 0.0):
            return
        if hand_on.state is HandOnState.WAITING and not await self._admission.may_go(hand_on):
            return
        # Here and not in the task, which runs later: the same look may find another row of this chat.
        self._busy.add(hand_on.chat)
        tasks.start_soon(self._answer, hand_on)

    async def _answer(self, hand_on: HandOn) -> None:
        try:
            again = await self._runs.answer(hand_on)
            if again is not None:
                self._not_before[hand_on.id] = self._clock.monotonic() + again
        except WhatsAppError as error:
            logger.warning("agent: %d cannot be answered now: %s", hand_on.id, error.code)
            self._not_before[hand_on.id] = self._clock.monotonic() + _LOOK
        finally:
            self._busy.discard(hand_on.chat)
            self._wake.set()

    async def _look_after(self, hand_on: HandOn) -> None:
        """Say that nobody listens to a channel; let go what nobody takes for a day."""
        now = self._clock.now()
        if rules.is_unheard(hand_on, now) and hand_on.id not in self._told_away:
            self._told_away.add(hand_on.id)
            await self._speaker.say_away(self._settings.now().agent, hand_on)
        if now - hand_on.at >= rules.KEPT:
            await self._admission.drop(hand_on, "no channel took it for a day")

    # What channels and people ask.

    async def handed_on(
        self,
        chat: str,
        after: int = 0,
        wait: float = 0.0,
        has_ended: Callable[[], bool] = never,
    ) -> tuple[HandOn, ...]:
        """Return the hand-ons for a chat's channel above number `after`; wait up to `wait` s for one."""
        facts = await self._archive.chat_facts(chat)
        agent = self._settings.now().agent
        if agent_of(agent, facts, self._ledger.pairings.is_paired) != "channel":
            raise InvalidArgument(
                "config.toml gives this chat to no channel.",
                'Tell the user: [agent.chats] needs this chat with "channel".',
            )
        names = facts.addresses
        with self._clock.limit(wait):
            while True:
                # Taken before the look: what begins to wait meanwhile ends the wait below.
                woken = self._waits
                if given := await self._give(names, after, has_ended):
                    return given
                await woken.wait()
        # A limit of 0 ends the block at its first await, before it has looked.
        return await self._give(names, after, has_ended)

    async def _give(
        self, chats: Collection[str], after: int, has_ended: Callable[[], bool]
    ) -> tuple[HandOn, ...]:
        given: list[HandOn] = []
        for found in self._ledger.handed_on.open():
            if found.chat not in chats or found.agent != "channel" or found.id <= after:
                continue
            if self._is_leased(found.id, has_ended) or len(given) == _GIVEN:
                continue
            # Before anything is awaited: another session may ask meanwhile.
            self._leases[found.id] = _Lease(has_ended, self._clock.monotonic() + _LEASE)
            if found.state is HandOnState.TAKEN or await self._take(found):
                given.append(found)
            else:
                self._leases.pop(found.id, None)
        return tuple(given)

    async def _take(self, hand_on: HandOn) -> bool:
        """Note that a channel gets what waits; false if it may not."""
        if hand_on.state is not HandOnState.WAITING or not await self._admission.may_go(hand_on):
            return False
        return await self._ledger.handed_on.move(hand_on, HandOnState.TAKEN, self._clock.now())

    def _is_leased(self, number: int, has_ended: Callable[[], bool]) -> bool:
        """Return whether another caller has leased it; a caller that was cut short gets it again."""
        lease = self._leases.get(number)
        if lease is None or lease.has_ended is has_ended:
            return False
        return not lease.has_ended() and self._clock.monotonic() < lease.until

    async def handed_on_done(self, chat: str, number: int) -> None:
        """The channel of a chat has passed these messages on: they are not given again."""
        hand_on = self._ledger.handed_on.get(number)
        facts = await self._archive.chat_facts(chat)
        if hand_on is None or hand_on.agent != "channel" or hand_on.chat not in facts.addresses:
            raise InvalidArgument("Nothing of this number was handed on in this chat.")
        if hand_on.state is HandOnState.TAKEN:
            # Before it is noted as answered: what the session says from here on is its answer.
            seen = await self._archive.last_change()
            if await self._ledger.handed_on.move(hand_on, HandOnState.ANSWERED, self._clock.now()):
                self._passed_on.append((hand_on, seen))
                self._wake.set()

    async def _accompany(self, hand_on: HandOn, seen: int) -> None:
        """Show that a session works on what it got, until something is said in the chat from this account.

        A session tells nobody that it has begun or ended: what it says is all that is seen of it.
        """
        agent = self._settings.now().agent
        with suppress(WhatsAppError):
            async with self._speaker.at_work(hand_on, agent.working):
                with self._clock.limit(agent.limits.seconds):
                    await self._spoken_in(hand_on.chat, seen)
            if agent.working:
                await self._speaker.done(hand_on)

    async def _spoken_in(self, chat: str, seen: int) -> None:
        """Return once there is a message from this account in a chat, after a change."""
        names, own = (await self._archive.chat_facts(chat)).addresses, self._own()
        while True:
            for change in await self._archive.changes(seen):
                seen = change.seq
                if change.kind == "message" and change.chat in names and change.actor in own:
                    return
            await self._archive.wait_change(seen, _LOOK)

    async def agent_status(self) -> AgentStatus:
        """Which chats have an agent, what waits there, and who asks to be let in."""
        return await status_of(self._archive, self._ledger, self._settings.now().agent, self._clock.now())

    async def pair(self, code: str) -> Pairing:
        """Let in the stranger who was told this code."""
        pairing = await self._ledger.pairings.let_in(code, self._clock.now())
        await self._speaker.tell_paired(pairing)
        return pairing

    async def drop_pairing(self, chat: str) -> None:
        """Let a stranger out again."""
        facts = await self._archive.chat_facts(chat)
        for address in (facts.jid, facts.lid):
            if address is not None and await self._ledger.pairings.drop(address):
                return
        raise InvalidArgument("Nobody of this number was let in.", "Look at `whatsapp-mcp agent status`.")

    async def _tell_stranger(self, chat: str) -> None:
        pairing = await self._ledger.pairings.ask(chat, self._new_code, self._clock.now())
        if pairing is None:
            return
        try:
            await self._speaker.tell_code(pairing)
        except WhatsAppError as error:
            logger.warning("agent: a code cannot be told: %s", error.code)
            return
        await self._ledger.pairings.note_told(chat)

    async def _let_in(self, code: str) -> None:
        try:
            await self.pair(code)
        except InvalidArgument:
            logger.info("agent: no such code is valid")


async def status_of(archive: Archive, ledger: Ledger, agent: AgentSettings, now: datetime) -> AgentStatus:
    """Which chats have an agent, what waits there, and who asks to be let in."""
    own = (await archive.own())[0]
    pairings = [replace(each, name=await _name(archive, each.chat)) for each in ledger.pairings.all(now)]
    named = {own or key if key == OWN_CHAT else key: kind for key, kind in agent.chats.items()}
    if agent.strangers == "pairing":
        named = {each.chat: agent.paired for each in pairings if each.paired_at is not None} | named
    waiting = ledger.handed_on.open()
    chats: list[AgentChat] = []
    for jid, kind in named.items():
        facts = None if jid == OWN_CHAT else await archive.chat_facts(jid)
        known = {jid} if facts is None else {facts.jid, facts.lid}
        count = sum(each.chat in known for each in waiting)
        last = next(iter(ledger.handed_on.latest(facts.jid if facts else jid, 1)), None)
        chats.append(AgentChat(jid, await _name(archive, jid), kind, count, last))
    return AgentStatus(tuple(chats), tuple(pairings), ledger.handed_on.cost_since(now - timedelta(days=1)))


async def _name(archive: Archive, jid: str) -> str:
    if jid == OWN_CHAT:
        return "yourself"
    chat = await archive.chat(jid)
    return chat.name if chat else jid
