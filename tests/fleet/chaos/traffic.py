"""Messages in and out of every account, and what was promised of each."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import anyio
import httpx

from whatsapp_simulator.people import Person
from whatsapp_simulator.phone import Phone

_PATIENCE: Final = 20.0
_PAUSE: Final = 1.0
_MOST_TRIES: Final = 120


class Said(NamedTuple):
    """A message that somebody wrote to an account.

    Attributes:
        account: To which.
        text: No other message has it.
        at: Seconds since 1970.
    """

    account: str
    text: str
    at: float


@dataclass(slots=True, eq=False)
class Sent:
    """A message that was to be sent.

    Attributes:
        account: By which.
        to: To whom.
        text: No other message has it; it is its idempotency key as well.
        accepted: Whether a call has answered that it is sent, or will be.
        seconds: What the first call took, if it was accepted.
        tries: How many calls there were.
        refusals: The codes of the others.
    """

    account: str
    to: Person
    text: str
    accepted: bool = False
    seconds: float | None = None
    tries: int = 0
    refusals: list[str] = field(default_factory=list[str])


class Traffic:
    """All that is said and sent while it runs.

    Args:
        phones: Of the accounts.
        people: Who writes, and who is written to.
        replicas: The addresses of servers through which is sent; each send begins at another one.
        token: Opens them.
        seed: Of what is said to whom.

    Attributes:
        said: What people wrote.
        sent: What was to be sent.
    """

    def __init__(
        self,
        phones: Mapping[str, Phone],
        people: Sequence[Person],
        replicas: Sequence[str],
        token: str,
        seed: int,
    ) -> None:
        self.said: list[Said] = []
        self.sent: list[Sent] = []
        self._phones = phones
        self._people = people
        self._replicas = replicas
        self._token = token
        self._random = random.Random(seed)
        self._stopped = anyio.Event()
        self._ended = anyio.Event()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped.set()

    async def stopped(self) -> None:
        """Return once each send was accepted or given up."""
        await self._ended.wait()

    async def run(self, said: float, sent: float) -> None:
        """Say and send so many a second, until `stop`; returns once each send was accepted or given up."""
        async with httpx.AsyncClient(timeout=_PATIENCE) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(self._say_again_and_again, said)
            while sent and not self._stopped.is_set():
                tasks.start_soon(self._send, client)
                await self._wait(1 / sent)
        self._ended.set()

    async def burst(self, messages: int) -> None:
        """Say that many as fast as it goes, to all accounts in turn."""
        accounts = sorted(self._phones)
        for number in range(messages):
            await self._say(accounts[number % len(accounts)])

    async def _say_again_and_again(self, rate: float) -> None:
        while rate and not self._stopped.is_set():
            await self._say(self._random.choice(sorted(self._phones)))
            await self._wait(1 / rate)

    async def _say(self, account: str) -> None:
        text = f"in {len(self.said)}"
        self.said.append(Said(account, text, time.time()))
        await self._random.choice(self._people).says(text, self._phones[account])

    async def _send(self, client: httpx.AsyncClient) -> None:
        account, to = self._random.choice(sorted(self._phones)), self._random.choice(self._people)
        send = Sent(account, to, f"out {len(self.sent)}")
        self.sent.append(send)
        began = time.monotonic()
        while not send.accepted and send.tries < _MOST_TRIES:
            refusal = await self._try(client, send)
            if refusal is None:
                send.accepted = True
                if send.tries == 1:
                    send.seconds = time.monotonic() - began
                return
            send.refusals.append(refusal)
            await anyio.sleep(_PAUSE)

    async def _try(self, client: httpx.AsyncClient, send: Sent) -> str | None:
        """Call once; answers why it was not accepted."""
        send.tries += 1
        replica = self._replicas[(len(self.sent) + send.tries) % len(self._replicas)]
        try:
            answer = await client.post(
                f"{replica}/api/v1/send_message",
                json={"account": send.account, "chat": str(send.to.pn), "text": send.text},
                headers={"Idempotency-Key": send.text, "Authorization": f"Bearer {self._token}"},
            )
            if answer.is_success:
                return None
            return str(answer.json()["error"]["code"])
        except httpx.HTTPError as error:
            return type(error).__name__

    async def _wait(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._stopped.wait()
