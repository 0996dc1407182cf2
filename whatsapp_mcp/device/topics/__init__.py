"""What can be asked of WhatsApp beside messages, one module a topic.

Each module declares its operations (a protocol, part of `Device`) and does them (a mixin of `LocalDevice`).
"""

from typing import Protocol

from whatsapp_mcp.device.topics.channels import ChannelOperations, Channels
from whatsapp_mcp.device.topics.chats import ChatOperations, Chats
from whatsapp_mcp.device.topics.contacts import ContactOperations, Contacts
from whatsapp_mcp.device.topics.groups import GroupOperations, Groups
from whatsapp_mcp.device.topics.profile import Profile, ProfileOperations


class TopicOperations(
    GroupOperations, ContactOperations, ChatOperations, ProfileOperations, ChannelOperations, Protocol
):
    """The operations of all topics."""


class Topics(Groups, Contacts, Chats, Profile, Channels):
    """`TopicOperations` through the client."""
