"""Operations: what can be asked of a device, one module a topic, and how it is asked (`Device.do`)."""

from whatsapp_mcp.device.operations.device import CallersDevices, Device, Devices
from whatsapp_mcp.device.operations.operation import (
    DIRECT,
    Invocation,
    Operation,
    never,
    nothing,
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
    "nothing",
    "operation_of",
    "operations_of",
]
