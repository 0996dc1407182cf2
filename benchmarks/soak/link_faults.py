"""The link to the phone ends, in every way there is, and a phone is linked anew."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import Final

from benchmarks.soak.chaos import Fault, Healing, Impossible, Stage, client_of, signal_process
from whatsapp_simulator import devices


class Relinked(Fault):
    """The companion is unlinked in the middle of everything, linked anew and given the phone's history.

    Args:
        unlink: Does it.
        interrupt: Whether a first linking is cut off before its code is scanned; nothing tells the library of
            that, so the code has to expire.
        by_number: Whether it is linked anew with a pairing code.
    """

    ends = True

    def __init__(
        self,
        name: str,
        unlink: Callable[[Stage], Awaitable[None]],
        *,
        interrupt: bool = False,
        by_number: bool = False,
    ) -> None:
        self.name, self._unlink, self.slow, self._by_number = name, unlink, interrupt, by_number

    async def act(self, stage: Stage) -> Healing:
        """Unlink the account, link it again and deliver its recent history."""
        await self._unlink(stage)
        await stage.told("unlinked")
        stage.wa.recover()
        await stage.some(0, 1)
        if self.slow:
            slot = stage.fleet.any(stage.chance)
            if slot is not None:
                await stage.fleet.call(slot, "link_device")
            await stage.wa.cut()
        await stage.link(by_number=self._by_number)
        healing = Healing()
        companion = await stage.wa.me.online()
        await stage.some(0, 1)
        for chunk in stage.wa.me.history.chunks("recent"):
            stage.wa.me.history.deliver(companion, chunk)
        return healing


async def _unlink_here(stage: Stage) -> None:
    slot = stage.fleet.any(stage.chance)
    answer = await stage.fleet.call(slot, "unlink_device") if slot else None
    if answer is None or answer.error is not None:
        raise Impossible(f"no server took the call of unlink_device: {answer}")


async def _unlink_on_the_phone(stage: Stage) -> None:
    await stage.wa.device_removed()


async def _unlink_while_away(stage: Stage) -> None:
    """The next login is answered by a failure 401."""
    companion = stage.wa.me.companion
    if companion is None:
        raise Impossible("no companion is linked")
    devices.unlink(stage.wa.me, companion)
    await stage.wa.cut()


def _refused_for_good(code: int) -> Callable[[Stage], Awaitable[None]]:
    """A login answered by a failure that ends the link: WhatsApp forgets the companion."""

    async def unlink(stage: Stage) -> None:
        stage.wa.failure(code)
        await stage.wa.cut()

    return unlink


async def _spoil_keys(stage: Stage) -> None:
    """The file of the keys becomes garbage, and the client ends."""
    pid = await client_of(stage)
    signal_process(pid, signal.SIGSTOP)
    (stage.account / "client" / "client.db").write_bytes(stage.chance.randbytes(4096))
    signal_process(pid, signal.SIGKILL)


LINKING: Final[tuple[Fault, ...]] = (
    Relinked("unlinked by us, linked anew", _unlink_here),
    Relinked("unlinked on the phone, linked anew", _unlink_on_the_phone),
    Relinked("unlinked while away (401), linked anew", _unlink_while_away),
    Relinked("login refused for good (403), linked anew", _refused_for_good(403)),
    Relinked("login refused for good (406), linked anew by number", _refused_for_good(406), by_number=True),
    Relinked("keys spoilt, linked anew", _spoil_keys),
)
SLOW_LINKING: Final[tuple[Fault, ...]] = (
    Relinked("unlinked on the phone, linked at the second go", _unlink_on_the_phone, interrupt=True),
)
