"""Hits of a search as an agent may see them: shown, counted, or hidden without a trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from whatsapp_mcp.server.reading.masking import Carried, cut_again, finds_masked
from whatsapp_mcp.server.reading.paging import Seen

if TYPE_CHECKING:
    from whatsapp_mcp.archive.read import Sought
    from whatsapp_mcp.models import Message
    from whatsapp_mcp.server.reading.withholding import View


def hides_chat(view: View, chat: str) -> bool:
    """Whether nothing may tell what is found in a chat."""
    verdict = view.verdict(chat)
    return verdict == "deny" or (verdict == "ask" and not view.opens)


def see_hit(
    view: View, message: Message, sought: Sought, read: Sequence[str] | None = None, room: int = 1
) -> Seen:
    """Make a hit of a search what is shown of it, and say whether it is, or stays back and is counted.

    No word that is masked may have been found. Of one that is not shown nothing is noted: neither its names,
    of which others then have fewer, nor whose words it holds.

    Args:
        view: How it is seen; its chat is none that hides.
        message: The hit, which is changed.
        sought: What was searched for.
        read: What was read in its file, if it or the message holds one-time codes, without those.
        room: How many the answer may still have; 0: it is none of the answer's.
    """
    named, noted = view.names.mark(), (view.strangers, view.contacts, view.asked)
    view.masker.begin(room)
    seen = _see(view, message, sought, read)
    if seen is not Seen.SHOWN or not room:
        view.names.back_to(named)
        view.strangers, view.contacts, view.asked = noted
    return seen


def _see(view: View, message: Message, sought: Sought, read: Sequence[str] | None) -> Seen:
    is_text = not (message.media or message.poll or message.details)
    whole = message.text if is_text else Carried.of(message)
    heard = (message.reading.text,) if message.reading else ()
    view.message(message)
    if message.withheld:
        carried, view.stripped = view.stripped, None
        if carried is None:
            return Seen.HIDDEN
        without = carried.masked(view.masker)
        tells_nothing = without == carried and read is None
        if tells_nothing or finds_masked(sought, without, read or (*map(view.masker.text, heard),)):
            return Seen.COUNTED
        return Seen.HIDDEN
    carried = message.text if is_text else Carried.of(message)
    if read is not None or carried != whole:
        if not finds_masked(sought, Carried.of(message), read or ()):
            return Seen.HIDDEN
        cut_again(sought, message, read or ())
    return Seen.SHOWN
