"""The connection to WhatsApp: its state, its client process, reconnecting, linking."""

from whatsapp_mcp.device.connection.accessor import (
    Accessor,
)
from whatsapp_mcp.device.connection.address_book import (
    AddressBook,
    until_fetched,
)
from whatsapp_mcp.device.connection.client_process import (
    Client,
)
from whatsapp_mcp.device.connection.client_reports import (
    is_from_phone,
    paired_number,
)
from whatsapp_mcp.device.connection.connection_record import (
    ConnectionRecord,
    PastState,
    past_states,
    record_in,
)
from whatsapp_mcp.device.connection.controls import (
    CALL_DEADLINE,
    ConnectionOperations,
)
from whatsapp_mcp.device.connection.device_storage import (
    DeviceStorage,
    LeaderLease,
    in_folder,
)
from whatsapp_mcp.device.connection.handover import (
    clear_handover,
)
from whatsapp_mcp.device.connection.keys import (
    FileKeys,
    stored_device,
)
from whatsapp_mcp.device.connection.link_picture import (
    LinkPicture,
)
from whatsapp_mcp.device.connection.linking import (
    Linking,
)
from whatsapp_mcp.device.connection.reconnect import (
    ReconnectLoop,
)
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
from whatsapp_mcp.device.connection.watchdog import (
    notice_sleep,
    watch,
)

__all__ = [
    "CALL_DEADLINE",
    "UNLINKED_HERE",
    "Accessor",
    "AddressBook",
    "Client",
    "ClientEvent",
    "Connection",
    "ConnectionOperations",
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
