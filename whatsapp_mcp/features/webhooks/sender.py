"""One attempt to deliver an event: a request to the receiver, and what its answer means."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import anyio

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.features.webhooks.signing import signed
from whatsapp_mcp.media import locate, pinned_proxy

if TYPE_CHECKING:
    import httpx2

    from whatsapp_mcp.features.webhooks.settings import WebhookSettings

LIMIT: Final = 20.0
"""Seconds for one attempt; Standard Webhooks recommends 15 to 30."""
_ANSWER_BYTES: Final = 65_536
"""Bytes of an answer that are read, so that the connection can be used again; nothing looks at them."""
_DRAIN_LIMIT: Final = 1.0
_NOT_NOW: Final = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses that say nothing about the event: the receiver, or what stands before it, is not ready."""
_LONGEST_PAUSE: Final = 3600.0
_HEADERS: Final = {"User-Agent": "whatsapp-mcp", "Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it is posted.

    Attributes:
        id: By which a receiver knows it again.
        body: JSON.
    """

    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed.

    Attributes:
        reason: For a person.
        refused: Whether the receiver has answered to this event, rather than not at all or not now.
        retry_after: Seconds that the receiver asks to wait.
    """

    reason: str
    refused: bool = False
    retry_after: float | None = None


class Sender:
    """Posts to one receiver.

    Args:
        http: A client for this receiver alone: its connections must not serve another name.
        webhook: The receiver.
        keys: Its secrets.
        now: The wall clock.
    """

    def __init__(
        self,
        http: httpx2.AsyncClient,
        webhook: WebhookSettings,
        keys: Sequence[bytes],
        now: Callable[[], datetime],
    ) -> None:
        self._http = http
        self._webhook = webhook
        self._keys = keys
        self._now = now

    async def post(self, event: Event) -> Failure | None:
        """Post an event; None if the receiver has taken it. A redirect is not followed."""
        import httpx2

        headers = signed(event.id, int(self._now().timestamp()), event.body, self._keys)
        try:
            with anyio.fail_after(LIMIT):
                place = await locate(self._webhook.url, private=self._webhook.private_network)
                async with self._http.stream(
                    "POST",
                    place.pinned,
                    content=event.body,
                    headers={**_HEADERS, **headers, "Host": place.host},
                    extensions={"sni_hostname": place.name},
                ) as answer:
                    if (failure := _failure(answer)) is None:
                        await _drain(answer)
                    return failure
        except WhatsAppError as error:
            return Failure(error.message)
        except TimeoutError:
            return Failure(f"It did not answer within {LIMIT:.0f} s.")
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            return Failure(f"It cannot be reached ({type(error).__name__}).")


@asynccontextmanager
async def open_sender(
    webhook: WebhookSettings, keys: Sequence[bytes], now: Callable[[], datetime], proxy: str | None = None
) -> AsyncGenerator[Sender]:
    """A sender for a webhook; its connections are closed at the end.

    Args:
        webhook: The receiver.
        keys: Its secrets.
        now: The wall clock.
        proxy: URL of the proxy to go through; not to a private network.
    """
    import httpx2

    through = None if webhook.private_network else await pinned_proxy(proxy)
    async with httpx2.AsyncClient(trust_env=False, timeout=LIMIT, proxy=through) as http:
        yield Sender(http, webhook, keys, now)


def _failure(answer: httpx2.Response) -> Failure | None:
    """Return the failure that a response means, None for success; only the status is repeated."""
    if answer.is_success:
        return None
    status = answer.status_code
    if answer.is_redirect:
        return Failure(f"It redirects elsewhere ({status}), which is not followed.", refused=True)
    return Failure(f"It answered {status}.", status not in _NOT_NOW, _pause(answer))


def _pause(answer: httpx2.Response) -> float | None:
    """The seconds of `Retry-After`, where it names seconds."""
    asked = str(answer.headers.get("retry-after", ""))
    return min(float(asked), _LONGEST_PAUSE) if asked.isascii() and asked.isdigit() else None


async def _drain(answer: httpx2.Response) -> None:
    """Read what follows a success: whatever goes wrong here, the event is delivered."""
    import httpx2

    read = 0
    with anyio.move_on_after(_DRAIN_LIMIT), suppress(httpx2.HTTPError):
        async for chunk in answer.aiter_raw():
            read += len(chunk)
            if read > _ANSWER_BYTES:
                return
