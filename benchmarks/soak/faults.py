"""Faults of WhatsApp and of processes; `link_faults` and `machine_faults` hold the rest."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from benchmarks.soak.chaos import (
    Fault,
    Healing,
    Impossible,
    Stage,
    client_of,
    leader_of,
    leader_pid,
    signal_process,
)
from benchmarks.soak.fleet import Fleet, Slot
from benchmarks.soak.link_faults import LINKING, SLOW_LINKING
from benchmarks.soak.machine_faults import MACHINE
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.binary import Node


class Sudden(Fault):
    """Something that WhatsApp does at once."""

    def __init__(
        self,
        name: str,
        do: Callable[[Stage], Awaitable[None] | None],
        *,
        relogin: bool = True,
        ends: bool = False,
        slow: bool = False,
    ) -> None:
        self.name, self._do, self.relogin, self.ends, self.slow = name, do, relogin, ends, slow

    async def act(self, stage: Stage) -> Healing:
        """Inject the fault at once; recovery is timed from before it."""
        healing = Healing()
        doing = self._do(stage)
        if doing is not None:
            await doing
        return healing


class Lasting(Fault):
    """Something that goes on for a while; healing is timed from its end.

    Args:
        cut: When connections are reset: `begin` (the fault meets the next ones), `end`, or never (None).
    """

    def __init__(
        self,
        name: str,
        begin: Callable[[WhatsApp], None],
        seconds: tuple[float, float],
        *,
        cut: str | None = "begin",
        ends: bool = False,
        slow: bool = False,
    ) -> None:
        self.name, self._begin, self._seconds, self._cut = name, begin, seconds, cut
        self.relogin, self.ends, self.slow = cut is not None, ends, slow

    async def act(self, stage: Stage) -> Healing:
        """Begin the fault and end it after some seconds; cut the connection at either end if set."""
        self._begin(stage.wa)
        if self._cut == "begin":
            await stage.wa.cut()
        await stage.some(*self._seconds)
        stage.wa.recover()
        healing = Healing()
        if self._cut == "end":
            await stage.wa.cut()
        return healing


class Refusal(Fault):
    """A login that WhatsApp refuses until it is asked to take it again.

    Args:
        state: What is told then; None when the link closes with the refusal, which may hide its reason.
    """

    ends = True

    def __init__(self, name: str, code: int, state: str | None) -> None:
        self.name, self._code, self._state = name, code, state

    async def act(self, stage: Stage) -> Healing:
        """Refuse the login for a while, then accept it again and reconnect."""
        stage.wa.failure(self._code, at_once=self._state is None)
        await stage.wa.cut()
        if self._state is None:
            await stage.some(0.3, 1)
        else:
            await stage.told(self._state)
        stage.wa.recover()
        return await _reconnected(stage)


class Replaced(Fault):
    """Another client takes the session; ours comes back only when asked."""

    name, ends = "replaced", True

    async def act(self, stage: Stage) -> Healing:
        """Have another client take over the session, then reconnect."""
        await stage.wa.replaced()
        await stage.told("replaced")
        return await _reconnected(stage)


class Ban(Fault):
    """A temporary ban, waited out."""

    name, ends = "ban of 2 s", True

    async def act(self, stage: Stage) -> Healing:
        """Ban the account for 2 s."""
        healing = Healing()
        stage.wa.failure(402, code=101, expire=2)
        await stage.wa.cut()
        await stage.told("banned")
        stage.wa.recover()
        return healing


class HalfOpen(Fault):
    """A pulled cable: nothing is told, nothing is answered, until a new client dials."""

    name, ends, slow = "half-open link", True, True

    async def act(self, stage: Stage) -> Healing:
        """Go silent until a new client dials."""
        generation = stage.generation()
        healing = Healing()
        stage.wa.go_silent()
        with anyio.fail_after(60):
            while stage.generation() == generation:  # noqa: ASYNC110
                await anyio.sleep(0.1)
        stage.wa.recover()
        return healing


class KillClient(Fault):
    """kill -9 of the client process, sometimes in the middle of a burst."""

    name, ends = "kill -9 of the client", True

    async def act(self, stage: Stage) -> Healing:
        """Kill the client process, sometimes in the middle of a burst."""
        pid = await client_of(stage)
        for _ in range(stage.chance.choice((0, 0, 40))):
            await stage.traffic.says()
        healing = Healing()
        signal_process(pid, signal.SIGKILL)
        return healing


class EndLeader(Fault):
    """The leader ends; another takes over."""

    ends = True

    def __init__(self, name: str, end: Callable[[Fleet, Slot], None]) -> None:
        self.name, self._end = name, end

    async def act(self, stage: Stage) -> Healing:
        """End the leader while another server can take over."""
        leader = await leader_of(stage)
        if len(stage.fleet.ready()) < 2:
            raise Impossible("no other server is there to take over")
        healing = Healing()
        self._end(stage.fleet, leader)
        return healing


class EndFollower(Fault):
    """A server that follows ends; its place is taken by a new one."""

    ends, relogin = True, False

    def __init__(self, name: str, end: Callable[[Fleet, Slot], None]) -> None:
        self.name, self._end = name, end

    async def act(self, stage: Stage) -> Healing:
        """End a follower and wait until a new server takes its place."""
        leader = await leader_of(stage)
        others = [slot for slot in stage.fleet.ready() if slot is not leader]
        if not others:
            raise Impossible("no other server is there")
        healing = Healing(stage.chance.choice(others))
        assert healing.by is not None
        self._end(stage.fleet, healing.by)
        await stage.fleet.back(healing.by)
        return healing


class Pause(Fault):
    """SIGSTOP, and SIGCONT after some seconds."""

    relogin = False

    def __init__(self, name: str, whom: Callable[[Stage], Awaitable[int]]) -> None:
        self.name, self._whom = name, whom

    async def act(self, stage: Stage) -> Healing:
        """Stop a process and continue it after some seconds."""
        pid = await self._whom(stage)
        signal_process(pid, signal.SIGSTOP)
        try:
            await stage.some(0.5, 4)
        finally:
            signal_process(pid, signal.SIGCONT)
        return Healing()


class KillAll(Fault):
    """kill -9 of every server at once; new ones take their places."""

    name, ends = "kill -9 of every server", True

    async def act(self, stage: Stage) -> Healing:
        """Kill every server at once."""
        healing = Healing()
        for slot in stage.fleet.ready():
            stage.fleet.kill(slot)
        return healing


async def _reconnected(stage: Stage) -> Healing:
    healing = Healing()
    slot = stage.fleet.any(stage.chance)
    answer = await stage.fleet.call(slot, "reconnect") if slot else None
    if answer is None or answer.error is not None:
        raise Impossible("no server took the call of reconnect")
    return healing


def _kill_pump(stage: Stage) -> None:
    person = stage.chance.choice(stage.traffic.people)
    stage.wa.send(Node("receipt", {"from": person.lid, "id": "X", "type": "server-error", "t": 1}))


def _odd_chatstate(stage: Stage) -> None:
    person = stage.chance.choice(stage.traffic.people)
    stage.wa.send(Node("chatstate", {"from": person.lid}, [Node("thinking")]))


async def _left_open(stage: Stage) -> None:
    await stage.wa.stream_error(503, close=False)


async def _lose_and_cut(stage: Stage) -> None:
    stage.wa.lose(stage.chance.randint(1, 3))
    await stage.some(0.2, 0.6)
    stage.wa.lose(0)
    await stage.wa.cut()


async def _reorder(stage: Stage) -> None:
    count = stage.chance.randint(2, 4)
    stage.wa.reorder(count)
    for _ in range(count):
        await stage.traffic.says()


def all_faults() -> tuple[Fault, ...]:
    """Every kind, quick and slow."""
    return (*QUICK, *SLOW)


QUICK: Final[tuple[Fault, ...]] = (
    Sudden("TCP cut", lambda stage: stage.wa.cut()),
    Sudden("stream error 503", lambda stage: stage.wa.stream_error(503)),
    Sudden("stream error of an unknown code", lambda stage: stage.wa.stream_error(599)),
    Sudden("odd receipt that ends the event pump", _kill_pump, ends=True),
    Sudden("odd chatstate that ends the event pump", _odd_chatstate, ends=True),
    Sudden("lost stanzas, then a cut", _lose_and_cut),
    Sudden("cut before an acknowledgement", lambda stage: stage.wa.cut_before_ack()),
    Sudden("cuts before two acknowledgements", lambda stage: stage.wa.cut_before_ack(2)),
    Sudden("malformed stanza", lambda stage: stage.wa.malformed_stanza(), relogin=False),
    Sudden("stanza of an unknown kind", lambda stage: stage.wa.unknown_stanza(), relogin=False),
    Sudden("stanzas overtaken", lambda stage: stage.wa.delay(stage.chance.randint(1, 4), 0.7), relogin=False),
    Sudden("doubled stanzas", lambda stage: stage.wa.duplicate(stage.chance.randint(1, 5)), relogin=False),
    Sudden("reordered stanzas", _reorder, relogin=False),
    Sudden("corrupted stanzas", lambda stage: stage.wa.corrupt(stage.chance.randint(1, 2)), relogin=False),
    Lasting("connections refused", lambda wa: setattr(wa.faults, "refuse", True), (0.5, 3)),
    Lasting("proxy answers 502", lambda wa: wa.proxy_status(502), (0.5, 3)),
    Lasting("logins answered 503", lambda wa: wa.failure(503), (0.5, 3)),
    Lasting("logins answered 500", lambda wa: wa.failure(500), (0.5, 3)),
    Lasting("delayed stanzas", lambda wa: wa.slow(0.1, 400), (0.5, 2), cut=None),
    Lasting("unanswered queries", lambda wa: wa.ignore_queries("*"), (0.5, 2), cut=None),
    Lasting("unacknowledged messages", lambda wa: wa.no_acks(), (0.3, 1), cut="end"),
    Lasting("bad certificate", lambda wa: wa.bad_certificate(), (0.3, 1)),
    Lasting("websocket answered 403", lambda wa: wa.websocket_status(403), (0.3, 1)),
    Lasting("media hosts answer 503", lambda wa: wa.media_status(503), (1, 3), cut=None),
    Lasting("media hosts answer 404", lambda wa: wa.media_status(404), (0.5, 2), cut=None),
    Lasting("media hosts answer 429", lambda wa: wa.media_status(429), (0.5, 2), cut=None),
    Lasting("media hosts answer 500", lambda wa: wa.media_status(500), (0.5, 2), cut=None),
    Lasting("corrupted downloads", lambda wa: wa.corrupt_media(), (1, 3), cut=None),
    Lasting("refused messages", lambda wa: wa.ack_error(479), (0.2, 0.5), cut=None),
    Lasting("server clock an hour ahead", lambda wa: wa.skew_clock(3600), (0.3, 1), cut=None),
    Refusal("login refused (400)", 400, "refused"),
    Refusal("login refused (409)", 409, "refused"),
    Refusal("login refused (501)", 501, "refused"),
    Refusal("login refused and closed at once (400)", 400, None),
    Refusal("login refused for an unknown reason (418)", 418, "refused"),
    Refusal("client outdated (405)", 405, "outdated"),
    Replaced(),
    Ban(),
    KillClient(),
    EndLeader("kill -9 of the leader", Fleet.kill),
    EndLeader("the leader's application closes", Fleet.leave),
    EndFollower("kill -9 of a follower", Fleet.kill),
    EndFollower("a follower's application closes", Fleet.leave),
    Pause("stopped leader", leader_pid),
    Pause("stopped client", client_of),
    KillAll(),
    *LINKING,
    *MACHINE,
)
SLOW: Final[tuple[Fault, ...]] = (
    HalfOpen(),
    *SLOW_LINKING,
    Sudden("frame that does not decrypt", lambda stage: stage.wa.garble(), ends=True, slow=True),
    Sudden("stream error 503 and the socket left open", _left_open, ends=True, slow=True),
    Lasting("swallowed connect", lambda wa: wa.swallow_connect(), (1, 3), ends=True, slow=True),
    Lasting("swallowed websocket", lambda wa: wa.swallow_websocket(), (1, 3), ends=True, slow=True),
    Lasting("swallowed handshake", lambda wa: wa.swallow_noise(), (1, 3), ends=True, slow=True),
    Lasting("unanswered pings", lambda wa: wa.ignore_pings(), (35, 45), cut=None, slow=True),
    Lasting("silence of some seconds", lambda wa: wa.go_silent(), (2, 15), cut=None, slow=True),
)
