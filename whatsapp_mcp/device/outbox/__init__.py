"""A send on its way: composed, handed to the client, and found again when no answer came."""

from whatsapp_mcp.device.outbox.addresses import Addresses
from whatsapp_mcp.device.outbox.client_sender import ClientSender
from whatsapp_mcp.device.outbox.delivery_evidence import DeliveryEvidence
from whatsapp_mcp.device.outbox.file_messages import forwarded_file
from whatsapp_mcp.device.outbox.lines import Pacer
from whatsapp_mcp.device.outbox.outbox import Outbox
from whatsapp_mcp.device.outbox.takeover import send_through_takeover

__all__ = [
    "Addresses",
    "ClientSender",
    "DeliveryEvidence",
    "Outbox",
    "Pacer",
    "forwarded_file",
    "send_through_takeover",
]
