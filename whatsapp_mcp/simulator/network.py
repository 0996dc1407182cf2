"""What WhatsApp's servers know: who exists, what time it is, and what went wrong.

The network holds no connection and no queue; those belong to the companions of each phone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVarTuple

import anyio
import anyio.abc

from whatsapp_mcp.jid import LID_SERVER, Jid
from whatsapp_mcp.simulator.binary import Node
from whatsapp_mcp.simulator.faults import Faults
from whatsapp_mcp.simulator.media import MediaHosts
from whatsapp_mcp.simulator.remark import Remark

if TYPE_CHECKING:
    from whatsapp_mcp.simulator.channels import Channel
    from whatsapp_mcp.simulator.groups import Group
    from whatsapp_mcp.simulator.pairing import CodeRequest, Registration
    from whatsapp_mcp.simulator.party import Party
    from whatsapp_mcp.simulator.phone import Phone

_Args = TypeVarTuple("_Args")


class Network:
    """The directory of one simulated WhatsApp.

    Attributes:
        parties: Everybody by each of their two addresses.
        groups: Every group by its address.
        channels: Every channel by its address.
        registrations: Companions that show a QR code, by each ref of it.
        code_requests: Companions that show a pairing code, by the number they want to be linked to.
        media: The hosts of images, videos and other blobs.
        log: What clients did that a faultless client would not.
        tasks: Where work that outlives one stanza runs; set by whoever opens the network.
    """

    def __init__(self, seed: int, faults: Faults, new_phone: Callable[[Network, str, str], Phone]) -> None:
        self._new_phone = new_phone
        self.seed = seed
        self.faults = faults
        self.log: list[Remark] = []
        self.parties: dict[Jid, Party] = {}
        self.groups: dict[Jid, Group] = {}
        self.channels: dict[Jid, Channel] = {}
        self.registrations: dict[str, Registration] = {}
        self.code_requests: dict[Jid, CodeRequest] = {}
        self.tasks: anyio.abc.TaskGroup | None = None
        self.accounts: list[Phone] = []
        self._last_number = 15550100000
        self._last_given = 1_700_000_000
        self._changed = anyio.Event()
        self._random = random.Random(seed)  # noqa: S311
        self.media = MediaHosts(self)

    def random(self, purpose: str) -> random.Random:
        """A source of randomness that depends on the seed and `purpose` alone."""
        return random.Random(f"{self.seed}/{purpose}")  # noqa: S311

    def new_id(self) -> str:
        """A message or stanza id."""
        return "3A" + self._random.randbytes(9).hex().upper()

    def next_number(self) -> int:
        """A number that was never given out, such as a picture's id."""
        self._last_given += 1
        return self._last_given

    def now(self) -> float:
        """The servers' time, seconds since 1970."""
        return time.time() + self.faults.clock_skew

    def timestamp(self) -> int:
        """The servers' time in whole seconds, as stanzas carry it."""
        return int(self.now())

    def remark(self, kind: str, detail: str) -> None:
        """Note something unusual."""
        self.log.append(Remark(kind, detail))

    def party(self, jid: Jid) -> Party | None:
        """Whoever has this address, with or without device number."""
        return self.parties.get(Jid(jid.user, jid.server))

    def add(self, party: Party) -> None:
        """Enter somebody under both addresses.

        Raises:
            ValueError: The number is taken.
        """
        if party.pn in self.parties:
            raise ValueError(f"{party.pn.user} is taken")
        self.parties[party.pn] = self.parties[party.lid] = party

    def renumber(self, party: Party, number: str) -> None:
        """Give somebody another number.

        Raises:
            ValueError: The number is taken.
        """
        pn = Jid.phone(number)
        if pn in self.parties:
            raise ValueError(f"{number} is taken")
        del self.parties[party.pn]
        party.pn = pn
        self.parties[pn] = party

    def lid_for(self, pn: Jid) -> Jid:
        """The hidden address that belongs to a number: always the same for one seed."""
        return Jid(str(self.random(f"lid {pn.user}").randrange(10**13, 10**14)), LID_SERVER)

    @property
    def first_account(self) -> Phone:
        """The account that was made first; one is made when there is none."""
        return self.accounts[0] if self.accounts else self.add_account("+15550001111", "Me")

    def add_account(self, number: str, name: str) -> Phone:
        """A new account, with its phone."""
        phone = self._new_phone(self, number, name)
        self.accounts.append(phone)
        return phone

    def spare_number(self) -> str:
        """A number that nobody has."""
        while True:
            self._last_number += 1
            if Jid.phone(str(self._last_number)) not in self.parties:
                return f"+{self._last_number}"

    def start(self, work: Callable[[*_Args], Coroutine[Any, Any, None]], *args: *_Args) -> None:
        """Begin something that outlives whoever begins it."""
        assert self.tasks is not None
        self.tasks.start_soon(work, *args)

    def later(self, seconds: float, act: Callable[[Node], None], node: Node) -> None:
        """Do something with a stanza so many seconds from now."""

        async def wait() -> None:
            await anyio.sleep(seconds)
            act(node)

        self.start(wait)

    def notify(self) -> None:
        """Let everybody who waits in `until` look again."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def until(self, condition: Callable[[], bool], timeout: float) -> None:
        """Wait until `condition` holds.

        Raises:
            TimeoutError: It did not within `timeout` seconds.
        """
        with anyio.fail_after(timeout):
            while not condition():
                await self._changed.wait()
