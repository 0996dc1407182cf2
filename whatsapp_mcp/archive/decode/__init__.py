"""From raw events of the client library to facts. Pure: no database, no clock.

`decode_event` raises one of `UNDECODABLE` for what this version cannot read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from google.protobuf.message import DecodeError

from whatsapp_mcp.archive.decode import calls, groups, history, live
from whatsapp_mcp.archive.facts import Fact

UNDECODABLE: Final = (DecodeError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What decoding a broken or unknown event may raise."""

_DECODERS: Final[dict[int, Callable[[bytes, int], list[Fact]]]] = {
    0: live.device,
    2: live.pair_status,
    13: history.history_sync,
    17: live.message,
    18: live.receipt,
    21: groups.joined_group,
    22: groups.group_info,
    32: groups.newsletter_join,
    33: groups.newsletter_leave,
    36: calls.offer,
    37: calls.accept,
    40: calls.offer_notice,
    42: calls.terminate,
    44: live.undecryptable,
}
"""Code of the event (`client.protocol.EventCode`) to its decoder; others say nothing that is archived."""


def decode_event(code: int, payload: bytes, received_at: int) -> list[Fact]:
    """The facts in an event.

    Args:
        code: Number of the event.
        payload: Its protobuf.
        received_at: Milliseconds since 1970; stands in where the event tells no time.
    """
    decoder = _DECODERS.get(code)
    return decoder(payload, received_at // 1000) if decoder else []
