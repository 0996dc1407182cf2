"""`whatsapp://link`: how far linking has come, for the card that shows it.

It holds what `link_device` answers, and is read under its policy. Reading it begins nothing, so a card that
is left open asks WhatsApp for no codes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.calls import Call, Content, resource
from whatsapp_mcp.server.fencing import Text
from whatsapp_mcp.server.render import link_card_data

URI: Final = "whatsapp://link"


@resource(URI, "link_device", Effect.LINK, Audience.ONESELF, is_listed=False)
async def link_resource(call: Call) -> Sequence[Content]:
    """The current QR or code as JSON, or whose phone is linked."""
    services = await call.services()
    async with services.device() as device:
        status = await device.status()
        link = await device.link_state()
    name = status.name or (await services.archive.own())[2]
    messages = (await services.archive.history_progress()).messages
    data = link_card_data(status, link, name, messages, services.now())
    return [Content(Text(json.dumps(data)), "application/json")]
