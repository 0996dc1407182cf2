"""A send on its way: composed, handed to the client, and found again when no answer came."""

from whatsapp_mcp.device.outbox.addresses import (
    Addresses,
)
from whatsapp_mcp.device.outbox.composing import (
    Composed,
    compose,
)
from whatsapp_mcp.device.outbox.delivery_evidence import (
    DeliveryEvidence,
)
from whatsapp_mcp.device.outbox.message_actions import (
    MessageActions,
)
from whatsapp_mcp.device.outbox.outbox import (
    Outbox,
)
from whatsapp_mcp.device.outbox.previews import (
    preview_of,
)
from whatsapp_mcp.device.outbox.sending import (
    send,
)
from whatsapp_mcp.device.outbox.web import (
    fetch,
)

__all__ = [
    "Addresses",
    "Composed",
    "DeliveryEvidence",
    "MessageActions",
    "Outbox",
    "compose",
    "fetch",
    "preview_of",
    "send",
]
