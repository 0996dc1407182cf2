"""The connection to WhatsApp: its state, its client process, reconnecting, linking."""

from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.device.connection.address_book import AddressBook, until_fetched
from whatsapp_mcp.device.connection.client_process import Client
from whatsapp_mcp.device.connection.client_reports import is_from_phone, paired_number
from whatsapp_mcp.device.connection.clients import Clients
from whatsapp_mcp.device.connection.controls import CALL_DEADLINE, ConnectionControls
from whatsapp_mcp.device.connection.device_storage import (
    ConnectionRecord,
    DeviceStorage,
    LeaderLease,
    PastState,
    in_folder,
    past_states,
    record_in,
)
from whatsapp_mcp.device.connection.handover import clear_handover
from whatsapp_mcp.device.connection.keys import FileKeys, stored_device
from whatsapp_mcp.device.connection.linking import Linking, LinkPicture
from whatsapp_mcp.device.connection.reconnect import ReconnectLoop, notice_sleep, watch
from whatsapp_mcp.device.connection.state import (
    UNLINKED_HERE,
    ClientEvent,
    Connection,
    Doubtful,
    Ended,
    KeysLost,
    LinkingFailed,
    Moment,
    Opened,
    PauseAsked,
    ResumeAsked,
    Stuck,
    Tick,
    Unstuck,
    Woken,
    advice,
    check_may_pause,
    step,
    unavailable,
)

__all__ = [
    "CALL_DEADLINE",
    "UNLINKED_HERE",
    "Accessor",
    "AddressBook",
    "Client",
    "ClientEvent",
    "Clients",
    "Connection",
    "ConnectionControls",
    "ConnectionRecord",
    "DeviceStorage",
    "Doubtful",
    "Ended",
    "FileKeys",
    "KeysLost",
    "LeaderLease",
    "LinkPicture",
    "Linking",
    "LinkingFailed",
    "Moment",
    "Opened",
    "PastState",
    "PauseAsked",
    "ReconnectLoop",
    "ResumeAsked",
    "Stuck",
    "Tick",
    "Unstuck",
    "Woken",
    "advice",
    "check_may_pause",
    "clear_handover",
    "in_folder",
    "is_from_phone",
    "notice_sleep",
    "paired_number",
    "past_states",
    "record_in",
    "step",
    "stored_device",
    "unavailable",
    "until_fetched",
    "watch",
]
