"""Serves one application over stdio or HTTP until its input ends or a signal arrives."""

from __future__ import annotations

import hmac
import logging
import os
import secrets
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NoReturn

import anyio
import anyio.to_thread

from whatsapp_mcp import settings as settings_module
from whatsapp_mcp.errors import InvalidArgument, disk_failure
from whatsapp_mcp.files.home import SERVER_LOG
from whatsapp_mcp.jid import parse_chat
from whatsapp_mcp.models.approvals import chat_principal
from whatsapp_mcp.processes import tracing
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import Accounts
from whatsapp_mcp.server.log import log_to_stderr
from whatsapp_mcp.server.runtime import Runtime, Runtimes
from whatsapp_mcp.system import END, read_or_make, receive_signals, share_arenas

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from whatsapp_mcp.settings import AccountFolder, Settings

Transport = Literal["stdio", "http", "sse"]
CLOSE_LIMIT: Final = 0.7
"""Seconds that closing may take before the process exits anyway."""
TRACES_LIMIT: Final = 0.5
"""Seconds that the last spans may take to be exported."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options of the command line; None takes the value of the settings.

    Attributes:
        account: The one to serve; None for every account of the home folder.
        auth: Whether HTTP asks for the bearer token; only loopback may go without.
        structured: Whether results carry structured content beside their text.
        chat: The one chat that every caller is bound to: a number with `+` or a jid; empty for none but that
            of the environment.
        channel: The chat whose messages are pushed into a Claude Code session, over stdio: `self`, a number
            with `+` or a jid. Unless it is `self`, every caller is bound to it.
    """

    account: str | None = None
    transport: Transport = "stdio"
    host: str | None = None
    port: int | None = None
    auth: bool = True
    toolsets: str | None = None
    structured: bool | None = None
    chat: str = ""
    channel: str = ""


def serve(options: ServeOptions, settings: Settings | None = None) -> NoReturn:
    """Serve until stdin ends or SIGINT or SIGTERM comes, then end the process with status 0.

    Nothing but the protocol is written to standard output.

    Raises:
        InvalidArgument: An option, a setting or the home folder cannot be used; nothing has been started.
    """
    share_arenas()
    loaded = settings or settings_module.load()
    log_to_stderr(loaded.log_level, loaded.log_format, loaded.home / SERVER_LOG)
    chat, principal = _chat_of(options), _inherited_principal()
    names = _accounts_of(options, loaded, is_bound=bool(chat or principal or options.channel))
    folders = [loaded.account_folder(name) for name in names]
    for folder in folders:
        folder.create()
    accounts = [Runtime(loaded, name, chat=chat, principal=principal) for name in names]
    application = create(
        Accounts.of(*accounts),
        options.toolsets or loaded.server.toolsets,
        structured=loaded.server.structured if options.structured is None else options.structured,
        middleware=[runtime.note_answer for runtime in accounts],
        # What it seals names the question of an account, whose leader decides: any account's key will do.
        state_key=_state_key(folders[0]),
    )
    if options.channel:
        from whatsapp_mcp.server.channel import ClaudeChannel

        speak = partial(application.run_stdio_async, ClaudeChannel(accounts[0], chat))
    elif options.transport == "stdio":
        speak = application.run_stdio_async
    else:
        from whatsapp_mcp.server.transports import prepare

        speak = prepare(
            application,
            accounts,
            host=options.host or loaded.server.host,
            port=loaded.server.port if options.port is None else options.port,
            auth=options.auth,
        )
    with tracing.exporting(loaded.traces.endpoint, loaded.traces.ratio):
        anyio.run(_serve, Runtimes(*accounts), speak)
    raise AssertionError("serving ends the process")


def _accounts_of(options: ServeOptions, settings: Settings, *, is_bound: bool) -> list[str]:
    """The accounts to serve; a first one where the home folder has none.

    A folder with a dot in its name may be a copy, such as `work.bak`: one of two clients with the same keys
    would end the other. So it is served where it is named, or the only one.

    Args:
        options: Of the command line.
        settings: Of the home folder.
        is_bound: Whether the server is for one chat, or for the agent of one.

    Raises:
        InvalidArgument: Such a server needs one account, and there are several.
    """
    if options.account is not None:
        return [options.account]
    accounts = settings.accounts()
    names = [name for name in accounts if "." not in name] or accounts or ["default"]
    if is_bound and len(names) > 1:
        raise InvalidArgument(
            "A server that is bound to a chat serves one account, and this home folder has several: "
            f"{', '.join(names)}.",
            "Name one with --account.",
        )
    return names


def _chat_of(options: ServeOptions) -> str:
    """Jid of the chat that every caller is bound to; empty for none.

    Raises:
        InvalidArgument: An option names no chat, or they name two; or a channel is not served over stdio.
    """
    if options.channel and options.transport != "stdio":
        raise InvalidArgument("A channel is served over stdio alone.", "Leave --transport out.")
    is_own = options.channel == settings_module.OWN_CHAT
    inherited = os.environ.get(settings_module.CHAT_VARIABLE, "")
    chat = _narrowed(options.chat, "" if is_own else options.channel, inherited)
    if chat and is_own:
        raise InvalidArgument("This server is bound to one chat.", "Leave --chat or --channel out.")
    return chat


def _inherited_principal() -> str:
    """The agent whose command started this server; empty if none did.

    Raises:
        InvalidArgument: It is no agent: nobody passes for a person this way.
    """
    value = os.environ.get(settings_module.PRINCIPAL_VARIABLE, "")
    kind, _, chat = value.partition(":")
    if value and (kind != "chat" or not chat):
        raise InvalidArgument(
            f"{settings_module.PRINCIPAL_VARIABLE} names no agent.",
            "Unset it: only an agent's command has it.",
        )
    return chat_principal(parse_chat(chat)) if value else ""


def _narrowed(*named: str) -> str:
    """The chat that several places name, empty for none; each that names none leaves it to the others.

    Args:
        named: Of the command line, and of the environment: an agent's carries its chat, so that whatever it
            starts stays bound to it.

    Raises:
        InvalidArgument: One of them names no chat, or they name two.
    """
    chats = {parse_chat(each) for each in named if each}
    if len(chats) > 1:
        raise InvalidArgument(
            f"{settings_module.CHAT_VARIABLE}, --chat or --channel binds this server to another chat.",
            "Leave --chat and --channel out.",
        )
    return next(iter(chats), "")


def _state_key(folder: AccountFolder) -> bytes:
    """The account's key for what hosts bring back: another than that of its seals, made from it.

    Raises:
        InvalidArgument: It can be neither read nor made.
    """
    try:
        key = read_or_make(folder.approval_key, secrets.token_bytes(32))
    except OSError as error:
        why, action = disk_failure(error, "Make it readable for yourself, or delete it.")
        raise InvalidArgument(f"{folder.approval_key} cannot be used: {why}.", action) from error
    return hmac.digest(key, b"request state", "sha256")


async def _serve(runtimes: Runtimes, speak: Callable[[], Awaitable[None]]) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_signal, runtimes)
        tasks.start_soon(runtimes.run)
        await speak()
        await _end(runtimes)


async def _end_on_signal(runtimes: Runtimes) -> None:
    with receive_signals(END) as signals:
        async for _ in signals:
            await _end(runtimes)


async def _end(runtimes: Runtimes) -> None:
    """Close everything and exit: the thread that reads stdin cannot be ended otherwise."""
    # Whatever cancels the tasks around it, closing goes on within its own limits.
    with anyio.CancelScope(shield=True):
        await runtimes.settle()
        with anyio.move_on_after(CLOSE_LIMIT):
            await runtimes.close()
        if tracing.is_recording():
            with anyio.move_on_after(TRACES_LIMIT):
                # A collector that does not answer must not hold up the end: its thread is left behind.
                await anyio.to_thread.run_sync(tracing.flush, abandon_on_cancel=True)
    # `os._exit` runs no exit handlers, so what waits in the log is written here.
    logging.shutdown()
    os._exit(0)
