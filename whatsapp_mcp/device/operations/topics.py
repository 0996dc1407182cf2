"""What can be asked of WhatsApp beside messages, one module a topic.

Each module declares its operations (a protocol, part of `Device`) and does them (a mixin of `LocalDevice`).
"""

from typing import Protocol

from whatsapp_mcp.device.operations.channels import ChannelOperations, Channels
from whatsapp_mcp.device.operations.chats import ChatOperations, Chats
from whatsapp_mcp.device.operations.contacts import ContactOperations, Contacts
from whatsapp_mcp.device.operations.groups import GroupOperations, Groups
from whatsapp_mcp.device.operations.profile import Profile, ProfileOperations


class TopicOperations(
    GroupOperations, ContactOperations, ChatOperations, ProfileOperations, ChannelOperations, Protocol
):
    """The operations of all topics."""


class Topics(Groups, Contacts, Chats, Profile, Channels):
    """`TopicOperations` through the client."""
