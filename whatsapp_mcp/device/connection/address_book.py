"""Detection of whether the phone's address book has arrived.

After linking a phone shares the key of its app state, and only then the library fetches every collection
(whatsmeow, `handleAppStateSyncKeyShare`); later it fetches only what a notification of the phone names. A
client that ends in between never fetches the address book by itself, and no event says so. Nothing that
neonize 0.5.2 exports makes the library fetch it; a change of any contact on the phone does.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import anyio

from whatsapp_mcp.client.protocol import FETCH_LIMIT
from whatsapp_mcp.device.clock import Clock, within
from whatsapp_mcp.device.operations import Devices, control
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import AddressBookState
from whatsapp_mcp.storage import KeyStore, KeysUnreadable

LINKING_LIMIT: Final = 120.0
"""Seconds after linking in which a phone has shared its key."""
LOGIN_LIMIT: Final = 15.0
"""Seconds after a login in which a notification that waited for this device has been followed."""
LOOK_SOON: Final = 1.0
LOOK_LATER: Final = 30.0
"""Seconds between two looks while it is expected, and once it is missing."""

_POLL_SECONDS: Final = 0.1

logger = logging.getLogger(__name__)


class AddressBook:
    """Looks into the library's database until the address book is there.

    Args:
        keys: The library's database.
        arrived: Called when it has come.
    """

    def __init__(self, keys: KeyStore, clock: Clock, arrived: Callable[[], None]) -> None:
        self._keys = keys
        self._clock = clock
        self._arrived = arrived
        self._is_here = False
        self._just_linked = False
        self._due_at: float | None = None
        self._wake = anyio.Event()

    def expect(self, *, just_linked: bool) -> None:
        """A device has logged in: from now on it is looked for, and is missing after a while."""
        # Each reconnect is a login: the wait that began with the first one goes on.
        if self._due_at is not None:
            return
        self._just_linked = just_linked
        self._due_at = self._clock.monotonic() + (LINKING_LIMIT if just_linked else LOGIN_LIMIT)
        self._wake.set()

    def forget(self) -> None:
        """The device was unlinked."""
        self._is_here, self._due_at = False, None

    async def reset_if_lost(self) -> None:
        """Have the library fetch all of it at the next change, if it was lost; no client may run."""
        try:
            if await self._keys.reset_address_book():
                logger.warning("address book: lost, as its client ended before it was stored")
        except KeysUnreadable as error:
            logger.warning("address book: the library's database cannot be written now: %s", error)

    async def state(self) -> AddressBookState | None:
        """Return the progress of the address book; None while nothing can be said."""
        due_at = self._due_at
        if due_at is None:
            return None
        has_key = False
        if not self._is_here:
            has_key = await self._look()
        if self._is_here:
            return AddressBookState.HERE
        if self._due_at is None:  # the device was unlinked while this looked
            return None
        if self._clock.monotonic() >= due_at:
            return AddressBookState.MISSING
        return AddressBookState.COMING if has_key and self._just_linked else None

    async def run(self) -> None:
        """Look for it until cancelled; while it is here, or no device has logged in, nothing is looked at."""
        while True:
            state = await self.state()
            await within(self._clock, self._pause_after(state), self._wake.wait)
            self._wake = anyio.Event()

    def _pause_after(self, state: AddressBookState | None) -> float | None:
        if self._due_at is None or state is AddressBookState.HERE:
            return None
        return LOOK_LATER if state is AddressBookState.MISSING else LOOK_SOON

    async def _look(self) -> bool:
        """Look into the database; whether the phone has shared a key."""
        try:
            app_state = await self._keys.app_state()
        except KeysUnreadable as error:
            logger.debug("address book: the library's database cannot be read now: %s", error)
            return False
        now = self._clock.monotonic()
        if self._due_at is None:  # unlinked meanwhile
            return False
        if app_state.has_contacts and not self._is_here:
            self._is_here = True
            self._arrived()
        elif app_state.has_key and self._just_linked:
            self._due_at = min(self._due_at, now + FETCH_LIMIT)
        return app_state.has_key


async def until_fetched(devices: Devices) -> None:
    """Wait while the library of this very process's device fetches the address book, `FETCH_LIMIT` at most.

    A client that ends meanwhile would leave people without their names for good.
    """
    with anyio.move_on_after(FETCH_LIMIT), suppress(WhatsAppError):
        while True:
            async with devices.use() as device:
                status = await device.do(control.status)
            if status.leader_pid != os.getpid() or status.address_book is not AddressBookState.COMING:
                return
            await anyio.sleep(_POLL_SECONDS)
