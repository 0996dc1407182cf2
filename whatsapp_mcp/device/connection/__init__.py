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
)
from whatsapp_mcp.device.connection.controls import (
    CALL_DEADLINE,
    ConnectionOperations,
)
from whatsapp_mcp.device.connection.keys import (
    KeptOpen,
    StoredDevice,
    forget,
    lid_of,
    opened,
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
    "Accessor",
    "AddressBook",
    "Client",
    "ClientEvent",
    "Connection",
    "ConnectionOperations",
    "ConnectionRecord",
    "Doubtful",
    "Ended",
    "KeptOpen",
    "KeysLost",
    "LinkPicture",
    "Linking",
    "LinkingFailed",
    "Moment",
    "Opened",
    "PastState",
    "PauseAsked",
    "ReconnectLoop",
    "ResumeAsked",
    "StoredDevice",
    "Stuck",
    "Tick",
    "Unstuck",
    "Woken",
    "advice",
    "check_may_pause",
    "forget",
    "is_from_phone",
    "lid_of",
    "notice_sleep",
    "opened",
    "paired_number",
    "past_states",
    "step",
    "stored_device",
    "unavailable",
    "until_fetched",
    "watch",
]
