"""JSON-RPC 2.0 between two processes of ours: one JSON object a line, over any pair of byte streams.

Used on the pipes between the leader and its client process and on the socket between servers. Both sides are
alike: each calls, answers and notifies. What is added to JSON-RPC:

* every call has a deadline, and a call that its caller gives up is cancelled on the other side (`$/cancel`);
* an error carries its `WhatsAppError` in `data`, so that the caller catches the class that was raised;
* a call that is traced names its span in `traceparent`; a side that records nothing answers it with `took`,
  when it began and ended, in nanoseconds since 1970;
* where others may connect, the first call is a greeting, and little else is taken before it (`admission.py`);
* a frame has a size limit: too large a call, result or notification fails on the side that made it.
"""

from whatsapp_mcp.processes.rpc.admission import HELLO, Admission, Guest, greeted_peer
from whatsapp_mcp.processes.rpc.frames import FRAME_LIMIT
from whatsapp_mcp.processes.rpc.peer import Handler, NoMessage, NotificationHandler, Params, Peer, by_name

__all__ = [
    "FRAME_LIMIT",
    "HELLO",
    "Admission",
    "Guest",
    "Handler",
    "NoMessage",
    "NotificationHandler",
    "Params",
    "Peer",
    "by_name",
    "greeted_peer",
]
