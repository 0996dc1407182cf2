"""Send through the leader, however often another server takes over during the call."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from uuid import uuid4

import anyio

from whatsapp_mcp.device.operations import Devices, sends
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.models import CALL_KEY, SendRequest, SendResult

TAKEOVER_LIMIT: Final = 10.0
"""Seconds in which another server must have taken over."""
_RETRY_SECONDS: Final = 0.1


async def send_through_takeover(devices: Devices, request: SendRequest) -> SendResult:
    """`Device.send`, called again when the leader ends during the call.

    Without a key of the caller's the call gets one of its own, so that the next leader finds what the former
    one had accepted, and nothing is sent twice.

    Raises:
        Busy: No leader could be reached for `TAKEOVER_LIMIT` seconds.
        WhatsAppError: What `sends.send` raises.
    """
    if request.idempotency_key is None:
        request = replace(request, idempotency_key=f"{CALL_KEY}{uuid4().hex}")
    give_up = anyio.current_time() + TAKEOVER_LIMIT
    while True:
        try:
            async with devices.use() as device:
                return await device.do(sends.send, request)
        except Busy:
            if anyio.current_time() >= give_up:
                raise
            await anyio.sleep(_RETRY_SECONDS)
