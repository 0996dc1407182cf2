"""What can be asked of a device, and the operations on WhatsApp that need no state, one module a topic."""

from whatsapp_mcp.device.operations.device import CallersDevices, Device, Devices
from whatsapp_mcp.device.operations.operation import (
    DIRECT,
    Invocation,
    Operation,
    never,
    operation_of,
    operations_of,
)
from whatsapp_mcp.device.operations.whatsapp import WhatsApp

__all__ = [
    "DIRECT",
    "CallersDevices",
    "Device",
    "Devices",
    "Invocation",
    "Operation",
    "WhatsApp",
    "never",
    "operation_of",
    "operations_of",
]
