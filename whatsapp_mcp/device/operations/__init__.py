"""What can be asked of a device, one module a topic, and what each operation does to the world."""

from whatsapp_mcp.device.operations.base import (
    jid_text,
    moment,
)
from whatsapp_mcp.device.operations.channels import (
    read_channel,
)
from whatsapp_mcp.device.operations.generated import (
    CallersDevices,
    GeneratedDevice,
    as_device,
)
from whatsapp_mcp.device.operations.groups import (
    group_update,
    read_group,
)
from whatsapp_mcp.device.operations.protocol import (
    Device,
    Devices,
)
from whatsapp_mcp.device.operations.registry import (
    OPERATIONS,
    Operation,
)
from whatsapp_mcp.device.operations.topics import (
    Topics,
)

__all__ = [
    "OPERATIONS",
    "CallersDevices",
    "Device",
    "Devices",
    "GeneratedDevice",
    "Operation",
    "Topics",
    "as_device",
    "group_update",
    "jid_text",
    "moment",
    "read_channel",
    "read_group",
]
