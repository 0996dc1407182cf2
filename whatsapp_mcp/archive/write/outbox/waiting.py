"""Accepted sends that wait: for a person's yes, or for their moment."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from whatsapp_mcp.archive import read
from whatsapp_mcp.archive.database import column
from whatsapp_mcp.archive.write.applying import WriteContext
from whatsapp_mcp.archive.write.outbox.states import move, retry_album_files, withdrawn
from whatsapp_mcp.errors import InvalidArgument, MessageNotFound
from whatsapp_mcp.models import FORMER_GONE, REPLACED, REPLIED, OutboxEntry, SendRequest, SendStatus


def released(context: WriteContext, send_id: int, expires_at: datetime) -> OutboxEntry:
    """A person said yes: `held` becomes `queued`, and waits for the connection until then.

    A scheduled send becomes `scheduled`; one whose moment has passed is due now. Of an album that WhatsApp
    has, the files that failed before they were handed over are queued once more.

    Raises:
        InvalidArgument: It is not held, and has no such files; or the send that it replaces has gone out.
    """
    entry, expires = read.outbox_get(context.db, send_id), _milliseconds(expires_at)
    if entry.status is not SendStatus.HELD:
        if not retry_album_files(context.db, entry, expires):
            raise InvalidArgument(f"Send {send_id} is {entry.status}, not held.", "Look at message_status.")
        return entry
    replace_former(context, entry)
    if entry.due_at is None:
        return move(context.db, entry, SendStatus.QUEUED, expires_at=expires)
    # The yes is about now: a send that was late is late no more.
    due = max(_milliseconds(entry.due_at), context.at)
    return move(context.db, entry, SendStatus.SCHEDULED, due_at=due, expires_at=None)


def due(context: WriteContext, send_id: int, expires_at: datetime) -> OutboxEntry:
    """The moment of a `scheduled` send has come: `queued`, until then; `failed` if somebody has replied.

    Raises:
        InvalidArgument: It is in another state.
    """
    entry = _in_state(context, send_id, SendStatus.SCHEDULED)
    if read.is_replied(context.db, send_id):
        return move(context.db, entry, SendStatus.FAILED, REPLIED)
    return move(context.db, entry, SendStatus.QUEUED, expires_at=_milliseconds(expires_at))


def asked(context: WriteContext, send_id: int, expires_at: datetime) -> OutboxEntry:
    """A person is asked about a `scheduled` or `queued` send that would go out now: `held`, until then.

    Raises:
        InvalidArgument: It is in another state, or may have gone out.
    """
    entry = read.outbox_get(context.db, send_id)
    if entry.status is not SendStatus.QUEUED or entry.reason is not None:
        entry = _in_state(context, send_id, SendStatus.SCHEDULED)
    return move(context.db, entry, SendStatus.HELD, expires_at=_milliseconds(expires_at))


def postponed(context: WriteContext, send_id: int) -> OutboxEntry:
    """A scheduled send that is `queued` or `held` goes back to `scheduled`: it is decided about once more.

    What a held one replaces goes no more, as with `released`; if it has gone out, this one fails.

    Raises:
        InvalidArgument: It is in another state, is not a scheduled send, or may have gone out.
    """
    entry = read.outbox_get(context.db, send_id)
    if entry.due_at is None or entry.reason is not None:
        raise InvalidArgument(f"Send {send_id} cannot be scheduled again.", "Look at message_status.")
    if entry.status is SendStatus.HELD:
        try:
            replace_former(context, entry)
        except InvalidArgument:
            return move(context.db, entry, SendStatus.FAILED, FORMER_GONE)
    return move(context.db, entry, SendStatus.SCHEDULED, expires_at=None)


def replace_waiting(context: WriteContext, request: SendRequest, send_id: int) -> None:
    """Withdraw the send that another one replaces, in the transaction in which that one is allowed to go out.

    What counts as a reply is what came after the former was scheduled. This may happen more than once, for a
    person is asked again about what is late; then nothing changes.

    Args:
        context: The operation.
        request: Of the send that replaces it.
        send_id: Its number.

    Raises:
        InvalidArgument: The former is of another chat, was not scheduled, or waits no more.
        MessageNotFound: There is none, or it was deleted.
    """
    if request.replaces is None:
        return
    former = read.outbox_get(context.db, request.replaces)
    if former.due_at is None or former.request.chat != request.chat or former.send_id == send_id:
        raise InvalidArgument(
            f"Send {request.replaces} is no scheduled send of this chat.", "Take the number from scheduled."
        )
    replaced = f"{REPLACED} {send_id}."
    if former.reason is None or not former.reason.endswith(replaced):
        withdrawn(context, former.send_id, replaced)
    if request.unless_reply and request.at is not None:
        context.db.execute(
            """UPDATE outbox SET (replies_after, created_at) = (SELECT replies_after, created_at FROM outbox
            WHERE id = ?1) WHERE id = ?2 AND (SELECT replies_after FROM outbox WHERE id = ?1) NOTNULL""",
            (former.send_id, send_id),
        )


def end_replied(context: WriteContext) -> None:
    """End the sends that wait and are not to go out, for somebody has replied: the reply may be deleted."""
    waiting = column(
        context.db,
        """SELECT id FROM outbox WHERE replies_after NOTNULL AND reason IS NULL
        AND status IN ('held', 'scheduled', 'queued')""",
    )
    for send_id in waiting:
        with suppress(MessageNotFound):  # it is damaged
            if read.is_replied(context.db, send_id):
                move(context.db, read.outbox_get(context.db, send_id), SendStatus.FAILED, REPLIED)


def replace_former(context: WriteContext, entry: OutboxEntry) -> None:
    """Withdraw what a send replaces that was accepted before; that may have been deleted since."""
    with suppress(MessageNotFound):
        replace_waiting(context, entry.request, entry.send_id)


def _in_state(context: WriteContext, send_id: int, status: SendStatus) -> OutboxEntry:
    entry = read.outbox_get(context.db, send_id)
    if entry.status is not status:
        raise InvalidArgument(f"Send {send_id} is {entry.status}, not {status}.", "Look at message_status.")
    return entry


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
