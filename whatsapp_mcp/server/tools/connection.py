"""The connection to WhatsApp: its state, linking and unlinking a phone, reconnecting."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import anyio
from mcp.types import ImageContent
from pydantic import Field

from whatsapp_mcp.device.operations import control
from whatsapp_mcp.errors import Busy, InvalidArgument, NotConnected, WhatsAppError
from whatsapp_mcp.models import (
    ADDRESS_BOOK_MISSING,
    GROUPS_SILENT,
    LINKED_DEVICES,
    AddressBookState,
    ConnectionState,
    ConnectionStatus,
    LinkState,
    QrCode,
)
from whatsapp_mcp.policy import Audience, Effect, cut_name
from whatsapp_mcp.server.arguments import Wait
from whatsapp_mcp.server.calls import BASE, Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.cards import LINK
from whatsapp_mcp.server.fencing import clean_name
from whatsapp_mcp.server.render import LinkData, StatusData, clock, link_data, qr_png, short, status_data
from whatsapp_mcp.text.zone import SystemZone, local

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAKEOVER_PAUSE: Final = 0.5
"""Seconds until another server that becomes the leader is asked."""
_POLL: Final = 0.05
"""Seconds between two looks at a connection that starts."""
_EXPIRY_SLACK: Final = timedelta(seconds=1)
"""Time by which the library may withdraw its last code early."""
FIRST_ANSWER_LIMIT: Final = 2.0
"""Seconds that the status waits for a server that has just started: some hosts start one per call."""
_UNLINKED: Final = frozenset({ConnectionState.UNLINKED, ConnectionState.LINKING})
_JUST_LINKED: Final = frozenset({ConnectionState.CONNECTING, ConnectionState.ONLINE})
"""States that follow a scan at once; the number may not be known yet."""
_OF_CARD: Final = "whatsapp-mcp/account"
"""Under which the card of linking finds the account that it is about, where there are several."""
_LINKED_ALREADY: Final = "Linked already. To link another phone, the user first runs: whatsapp-mcp unlink"
_PAGE: Final = (
    "Open the page on which you link your phone. If your browser is not signed in to it, run `{}` in a "
    "terminal on the computer that the server runs on."
)
_NOW_LINKED: Final = "The phone is linked; history arrives in the next minutes."


@tool("core", Effect.READ, Audience.NOBODY, open_world=False, result=StatusData, in_chat=True)
async def connection_status(call: Call) -> Result:
    """Connection state, its reason, and what to do."""
    end = anyio.current_time() + FIRST_ANSWER_LIMIT
    status = _offline(call, "The server is starting.", "Wait a few seconds.")
    try:
        with anyio.fail_after(FIRST_ANSWER_LIMIT):
            services = await call.services()
    except TimeoutError:
        return _unopened(status)
    except WhatsAppError as error:
        return _unopened(_offline(call, error.message, error.action))
    while True:
        try:
            async with services.devices.use() as device:
                status = await device.do(control.status)
        except WhatsAppError as error:  # the device was swapped at this moment
            status = _offline(call, error.message, error.action)
        # Starting takes a moment; a lost connection may stay lost for long, so it is reported at once.
        is_starting = status.state.traits.connecting and status.state is not ConnectionState.RECONNECTING
        if not is_starting or anyio.current_time() >= end:
            break
        await anyio.sleep(_POLL)
    status = await _named(status, services)
    return Result(status_text(status, services), status_data(status, services.zone))


async def unheard(services: Services) -> tuple[str, ...]:
    """Return a note for empty answers while the connection is down: messages may be missing here."""
    try:
        async with services.devices.use() as device:
            status = await device.do(control.status)
    except WhatsAppError as error:
        return (f"What came meanwhile may not be here: {error.message} {error.action}",)
    if status.state is ConnectionState.ONLINE:
        return ()
    since = short(status.since, services.zone, services.now())
    what = f"The connection is {status.state.value} since {since}: what was written meanwhile is not here."
    return (" ".join(sentence for sentence in (what, status.action) if sentence),)


async def _named(status: ConnectionStatus, services: Services) -> ConnectionStatus:
    """The status with the owner's name from the archive, where the device does not know it from linking."""
    if status.name is not None or status.number is None:
        return status
    with suppress(WhatsAppError, sqlite3.Error):
        status = replace(status, name=(await services.archive.own())[2])
    return status


def _offline(call: Call, reason: str, action: str) -> ConnectionStatus:
    return ConnectionStatus(ConnectionState.OFFLINE, datetime.now(UTC), call.source.account, reason, action)


def _unopened(status: ConnectionStatus) -> Result:
    return Result(f"offline: {status.reason} {status.action}", status_data(status, SystemZone()))


def status_text(status: ConnectionStatus, services: Services) -> str:
    """The connection's state, its reason and what to do, in sentences."""
    since = short(status.since, services.zone, services.now())
    parts = [f"{status.state.value} since {since}"]
    if status.number:
        parts[0] += (
            f", {clean_name(cut_name(status.name))} {status.number}" if status.name else f", {status.number}"
        )
    parts[0] += f", account {status.account}."
    parts += [sentence for sentence in (status.reason, status.action) if sentence]
    if status.catching_up:
        parts.append("The archive is still catching up.")
    if status.history_progress is not None:
        parts.append(f"History: {status.history_progress} %.")
    if status.address_book is AddressBookState.MISSING:
        parts.append(ADDRESS_BOOK_MISSING)
    if status.silent_groups:
        parts.append(GROUPS_SILENT.format(status.silent_groups))
    if status.files and status.files.progress:
        parts.append(f"Files: {status.files.progress.rstrip('.')}.")
    if status.events_lost:
        parts.append(f"Up to {status.events_lost} events were lost before they were stored.")
    if status.failures:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(status.failures.items()))
        parts.append(f"Restarts after failures: {counts}.")
    if status.settings_error:
        parts.append(f"Settings: {status.settings_error}")
    return " ".join(parts)


@tool("core", Effect.LINK, Audience.ONESELF, idempotent=True, result=LinkData, card=LINK.uri)
async def link_device(
    call: Call,
    phone: Annotated[str | None, Field(description="For a code instead of a QR")] = None,
    wait: Annotated[Wait, Field(description="Seconds, up to 50")] = 0.0,
) -> Result:
    """Link the user's phone. Returns how; call again with wait for the outcome."""
    result = await _link(call, phone, wait)
    return replace(result, meta={_OF_CARD: call.source.account}) if call.is_one_of_several else result


async def _link(call: Call, phone: str | None, wait: float) -> Result:
    services = await call.services()
    async with services.device() as device:
        status = await device.do(control.status)
    if (status.number and status.state not in _UNLINKED) or status.state in _JUST_LINKED:
        waited_for = wait and status.state in _JUST_LINKED
        already = f"{_LINKED_ALREADY}{_account(services)}. {status.action or ''}".rstrip()
        note = _NOW_LINKED if waited_for else already
        return _linked(LinkState(status.state, 0, number=status.number), services, note)
    link = await _begin(services, phone)
    agreed = None
    if call.show_page and services.pages and link.qr and not phone:
        begun = status.state is not ConnectionState.LINKING
        agreed = await call.show_page(services.pages.link, _PAGE.format(services.pages.sign_in), asks=begun)
    # Why the last attempt failed is told at once to whoever calls again to wait for its outcome.
    if wait and not (link.failed and status.state is ConnectionState.UNLINKED):
        link = await _outcome(call, services, link, phone, wait)
    return _link_result(link, services, on_page=bool(agreed))


async def _begin(services: Services, phone: str | None) -> LinkState:
    """Begin linking or join it; a phone that was linked since the status was asked is the outcome."""
    async with services.device() as device:
        try:
            return await device.do(control.link, phone)
        except InvalidArgument:
            status = await device.do(control.status)
            if status.state not in _JUST_LINKED:
                raise
            return LinkState(status.state, 0, number=status.number)


async def _outcome(
    call: Call, services: Services, link: LinkState, phone: str | None, wait: float
) -> LinkState:
    """Wait until linking ends either way.

    The answer after `wait` seconds is the newest QR or code; once all have expired, the first of new ones.
    """
    shown = link
    end = anyio.current_time() + wait
    await call.progress(0.0, wait, _step(link, services))
    while link.state is ConnectionState.LINKING and (left := end - anyio.current_time()) > 0:
        try:
            async with services.device() as device:
                link = await device.do(control.link_state, link.revision, min(left, 10.0))
        except (Busy, NotConnected):  # another server becomes the leader; it knows the progress of linking
            await anyio.sleep(min(left, _TAKEOVER_PAUSE))
        if link.state is ConnectionState.LINKING:
            shown = link
        await call.progress(wait - max(0.0, end - anyio.current_time()), wait, _step(link, services))
    # A new pairing code takes the number.
    if link.state is ConnectionState.UNLINKED and _has_expired(shown, services) and (phone or not shown.code):
        async with services.device() as device:
            return await device.do(control.link, phone)
    return link


def _step(link: LinkState, services: Services) -> str:
    """Return the progress message for a call that waits for linking."""
    if link.state in _JUST_LINKED:
        return "The phone is linked."
    if link.state is not ConnectionState.LINKING:
        return link.reason or "Linking has ended."
    if link.code:
        return f"Waiting until the code {link.code} is typed on the phone."
    until = f"; valid until {local(link.qr.expires_at, services.zone):%H:%M:%S}" if link.qr else ""
    return f"Waiting until the phone scans the QR code{until}."


def _has_expired(shown: LinkState, services: Services) -> bool:
    ends = shown.qr.expires_at if shown.qr else shown.code_expires_at
    return ends is not None and ends <= services.now() + _EXPIRY_SLACK


def _linked(link: LinkState, services: Services, note: str) -> Result:
    number = f" as {link.number}" if link.number else ""
    return Result(f"{link.state.value}{number}. {note}", link_data(link, services.zone))


def _link_result(link: LinkState, services: Services, *, on_page: bool) -> Result:
    """The answer.

    Args:
        link: How far linking is.
        services: Of the call.
        on_page: Whether the user has agreed to open the page for it.
    """
    data = link_data(link, services.zone)
    if link.state in _JUST_LINKED:
        return _linked(link, services, _NOW_LINKED)
    if link.state is not ConnectionState.LINKING:
        again = "Call again for a new code." if link.state is ConnectionState.UNLINKED else ""
        return Result(f"{link.state.value}: {link.reason or 'linking has ended.'} {again}".rstrip(), data)
    if link.code:
        until = f" before {clock(link.code_expires_at, services.zone)}" if link.code_expires_at else ""
        text = (
            f"linking: the user enters the code {link.code} on the phone (WhatsApp, {LINKED_DEVICES} → "
            f"Link a device → Link with phone number){until}; then call again with phone and wait."
        )
        return Result(_with_failure(text, link), data)
    if link.qr:
        image = ImageContent(type="image", data=qr_png(link.qr.text), mime_type="image/png")
        text = _linking_ways(link.qr, services)
        if on_page and services.pages:
            text = f"linking: the user was sent to {services.pages.link}, which shows the QR, too.\n{text}"
        return Result(_with_failure(text, link), data, (image,))
    return Result("linking: there is no code yet; call again.", data)


def _with_failure(text: str, link: LinkState) -> str:
    """The text, with why the attempt before failed."""
    return f"{text}\nThe last attempt failed: {link.failed}" if link.failed else text


def _account(services: Services) -> str:
    """Return the option that selects this account in a terminal command; empty if none is needed."""
    is_first = services.account == "default" and services.base == BASE
    return "" if is_first else f" --account {services.account}"


def _linking_ways(qr: QrCode, services: Services) -> str:
    """The ways to link; those that need no image of the application come first."""
    ways = [
        "a code to type: ask for the user's number, call link_device with phone",
        f"in a terminal: whatsapp-mcp link{_account(services)}",
    ]
    if qr.file:
        ways.append(f"open and scan {qr.file}")
    if services.pages:
        ways.append(f"in a browser: open the URL that {services.pages.sign_in} prints in a terminal")
    lines = [f"{number}. {way}" for number, way in enumerate(ways, 1)]
    return "\n".join(
        [
            f"linking: the user scans the QR above if it is visible (WhatsApp, {LINKED_DEVICES} → Link a "
            f"device) before {clock(qr.expires_at, services.zone)}; a new one follows. Other ways:",
            *lines,
            "Then call again with wait.",
        ]
    )


TOOLS: Sequence[ToolFunction] = (connection_status, link_device)
