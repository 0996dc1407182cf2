"""What can be asked of WhatsApp beside messages, one module a topic.

Each module declares its operations (a protocol, part of `Device`) and does them (a mixin of `LocalDevice`).
"""

from typing import Protocol

from whatsapp_mcp.device.topics.groups import GroupOperations, Groups


class TopicOperations(GroupOperations, Protocol):
    """The operations of all topics."""


class Topics(Groups):
    """`TopicOperations` through the client."""
