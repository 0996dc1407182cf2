"""`Webhooks`: the webhooks that the settings name, each delivered by one server process of the account."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from whatsapp_mcp.device.clock import Clock, SystemClock
from whatsapp_mcp.device.leader import LockFile
from whatsapp_mcp.device.supervise import supervised
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.features.webhooks.delivery import Delivery
from whatsapp_mcp.features.webhooks.events import WebhookEvents
from whatsapp_mcp.features.webhooks.sender import open_sender
from whatsapp_mcp.features.webhooks.signing import find_secret

if TYPE_CHECKING:
    from pathlib import Path

    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.features.webhooks.settings import WebhookSettings
    from whatsapp_mcp.ledger import Ledger
    from whatsapp_mcp.server.feed import ChangeFeed
    from whatsapp_mcp.settings import AccountFolder, CurrentSettings

LOOK: Final = 2.0
"""Seconds between two looks at the settings, and at the lock of a webhook that another server delivers."""
_LOOK_FOR_SECRET: Final = 60.0

logger = logging.getLogger(__name__)


def lock_path(folder: AccountFolder, name: str) -> Path:
    """Locked by the server that delivers the events of a webhook."""
    return folder.path / f"webhook-{name}.lock"


class Webhooks:
    """The webhooks of an account; `run` delivers.

    Args:
        feed: What happens.
        archive: Where it is read.
        ledger: How far each webhook has come.
        settings: Which there are, as `config.toml` says at that moment.
        clock: The clock of pauses.
    """

    def __init__(
        self,
        feed: ChangeFeed,
        archive: ReadingArchive,
        ledger: Ledger,
        settings: CurrentSettings,
        clock: Clock | None = None,
    ) -> None:
        self._feed = feed
        self._archive = archive
        self._ledger = ledger
        self._settings = settings
        self._clock = clock or SystemClock()

    async def run(self) -> None:
        """Deliver for the webhooks of the settings, whichever they are, until cancelled."""
        while True:
            wanted = self._wanted()
            await self._ledger.webhooks.forget(frozenset(webhook.name for webhook in wanted[0]))
            async with anyio.create_task_group() as tasks:
                for webhook in wanted[0]:
                    name = f"webhook {webhook.name}"
                    tasks.start_soon(partial(supervised, name, partial(self._deliver, webhook)))
                await self._until(lambda wanted=wanted: self._wanted() != wanted)
                tasks.cancel_scope.cancel()

    def _wanted(self) -> tuple[tuple[WebhookSettings, ...], str | None]:
        settings = self._settings.now()
        return settings.webhooks, settings.network.proxy_url

    async def _until(self, met: Callable[[], bool]) -> None:
        while not met():
            await self._clock.sleep(LOOK)

    async def _deliver(self, webhook: WebhookSettings) -> None:
        """Deliver for one webhook while this process holds its lock."""
        # Before the lock: a server whose environment lacks a secret leaves the webhook to another.
        keys = await self._keys(webhook)
        lock = LockFile(lock_path(self._archive.folder, webhook.name))
        while True:
            await self._until(lock.acquire)
            try:
                await self._deliver_while(lambda: not lock.lost, webhook, keys)
            finally:
                lock.release()

    async def _deliver_while(
        self, holds: Callable[[], bool], webhook: WebhookSettings, keys: Sequence[bytes]
    ) -> None:
        folder = self._archive.folder
        events = WebhookEvents(webhook, folder.name, self._archive, self._ledger, self._settings)
        async with (
            open_sender(webhook, keys, self._clock.now, self._wanted()[1]) as sender,
            anyio.create_task_group() as tasks,
        ):
            delivery = Delivery(
                webhook.name, self._ledger.webhooks, self._feed, events, sender.post, self._clock
            )
            tasks.start_soon(delivery.run, await self._archive.last_change())
            await self._until(lambda: not holds())
            tasks.cancel_scope.cancel()

    async def _keys(self, webhook: WebhookSettings) -> list[bytes]:
        """The secrets of a webhook, as soon as all are there."""
        said = ""
        while True:
            try:
                return [await anyio.to_thread.run_sync(find_secret, place) for place in webhook.secrets]
            except WhatsAppError as error:
                if error.message != said:
                    logger.warning("webhook %s: not delivered by this server: %s", webhook.name, error)
                said = error.message
            await self._clock.sleep(_LOOK_FOR_SECRET)
