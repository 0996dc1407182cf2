"""Start of every call of a tool or a resource, and the handling of its errors."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Final, TypeVar

from whatsapp_mcp.errors import Busy, InvalidArgument, WhatsAppError, cause
from whatsapp_mcp.models import Change
from whatsapp_mcp.models.approvals import Caller, chat_principal
from whatsapp_mcp.policy import Act, CallerState, check_scope, require
from whatsapp_mcp.processes.tracing import traced
from whatsapp_mcp.server.calls.call import Call, CallMeter, Requester, ServicesSource

T = TypeVar("T")
_TOO_LONG: Final = "pattern too complex"
"""SQLite's words for a LIKE of more than 50,000 bytes."""

logger = logging.getLogger(__name__)


def begun(
    source: ServicesSource,
    requester: Requester,
    act: Act,
    *,
    hinted: bool = False,
    is_one_of_several: bool = False,
) -> Call:
    """The call of a request.

    Args:
        source: Where it takes its services from.
        requester: Who sent the request.
        act: What it does, under the name of its tool.
        hinted: Whether the host was told that the tool is destructive, so that it asks.
        is_one_of_several: As in `Call`.

    Raises:
        Denied: The scopes do not allow it, or the policy forbids it whatever a person would answer.
    """
    check_scope(requester.scopes, act.name, act.effect)
    caller = bound(replace(requester.caller, tool=act.name, hinted=hinted), source)
    # Early, for what nothing could change; the leader decides about acts once more, and finally.
    require(source.policy, act, CallerState(caller))
    return Call(
        source,
        requester.progress,
        caller,
        over_http=requester.over_http,
        roots=requester.roots,
        draws_cards=requester.draws_cards,
        show_page=requester.show_page,
        is_one_of_several=is_one_of_several,
        is_told_of_pages=requester.accounts is None,
    )


def bound(caller: Caller, source: ServicesSource) -> Caller:
    """The caller as it counts here: as the agent that started this server, whatever else it is.

    Args:
        caller: Who asks.
        source: Binds it to a chat, or says for which agent it acts: words that were handed to that agent are
            in the caller's hands, too.
    """
    if source.chat:
        return replace(caller, principal=chat_principal(source.chat), chat=source.chat)
    # Of whom nothing is known counts as tainted: it stays so.
    is_agents = bool(source.principal) and not caller.is_unknown
    return replace(caller, principal=source.principal) if is_agents else caller


async def last_change(call: Call) -> int:
    """The number of the last change in the archive."""
    return await (await call.services()).archive.last_change()


async def resumed(call: Call, after: int) -> int:
    """Return the number from which a reader of the change feed resumes."""
    return await (await call.services()).archive.resume(after)


async def changes_after(call: Call, after: int, limit: int) -> tuple[Change, ...]:
    """Return the change feed after a number, oldest first."""
    return await (await call.services()).archive.changes(after, limit=limit)


async def contained(name: str, answer: Callable[[], Awaitable[T]], meter: CallMeter | None = None) -> T:
    """Run a call and return its answer; any failure is logged and raised as a `WhatsAppError`.

    Args:
        name: Of the tool or resource, for the log.
        answer: Answers.
        meter: Counts it.

    Raises:
        WhatsAppError: It failed.
    """
    try:
        with traced(f"tool {name}"), meter.measured(name) if meter else nullcontext():
            return await answer()
    except WhatsAppError as error:
        logger.info("call: %s answered %s", name, error.code)
        raise
    except sqlite3.Error as error:
        logger.exception("call: %s could not use the archive", name)
        raise _meaning(error) from error
    # Of any other exception the SDK tells the model nothing but `Error executing tool NAME`.
    except Exception as error:
        logger.exception("call: %s failed", name)
        raise Busy(
            "This server has an internal error.",
            "Try once more; if it fails again, tell the user to read the server's log.",
        ) from error


def _meaning(error: sqlite3.Error) -> WhatsAppError:
    """The error for the caller when the archive fails."""
    if _TOO_LONG in str(error):
        return InvalidArgument("The search text is too long.", "Give a shorter name or text.")
    return Busy(
        f"The stored messages cannot be used now ({cause(error)}).",
        "Tell the user to check the disk's free space.",
    )
