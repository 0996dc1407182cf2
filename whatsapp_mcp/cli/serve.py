"""`whatsapp-mcp serve`, kept apart from Typer so that an MCP application gets its first answer soon."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from whatsapp_mcp.cli.outcome import ExitCode, exit_code, print_error
from whatsapp_mcp.errors import InvalidArgument, WhatsAppError

if TYPE_CHECKING:
    from whatsapp_mcp.server.main import ServeOptions
    from whatsapp_mcp.settings import Settings


def serve(**options: Any) -> ExitCode:
    """Serve until the application goes or a signal comes.

    Args:
        options: What `ServeOptions` takes; what is left out has its default there.

    Returns:
        Why it never began; a server that ran ends the process with `ExitCode.OK`.
    """
    try:
        if options.get("transport", "stdio") == "stdio":
            _explain_stdio(options)
        options_of, serve_mcp = _loaded()
        # Loaded with the server.
        from whatsapp_mcp import settings

        serve_mcp(options_of(**options), settings.load())
    except WhatsAppError as error:
        print_error(error, options.get("account") or "default")
        return exit_code(error)


def _loaded() -> tuple[type[ServeOptions], Callable[[ServeOptions, Settings], NoReturn]]:
    """The server and its options.

    What is loaded stays to the end, so the garbage collector does not go through it: neither while it is
    loaded, which would take a fourth of the time, nor later.
    """
    gc.disable()
    try:
        from whatsapp_mcp.server import main
    finally:
        gc.freeze()
        gc.enable()
    return main.ServeOptions, main.serve


def _explain_stdio(options: dict[str, Any]) -> None:
    """Say on stderr what a person who starts it by hand cannot see.

    Raises:
        InvalidArgument: There is nobody to speak to.
    """
    # None is what Python makes of one that is closed.
    if None in (sys.stdin, sys.stdout):
        raise InvalidArgument(
            "Standard input or output is closed.",
            "Have an application start this server, or serve with --transport http.",
        )
    given = [name for name in ("host", "port") if options.get(name) is not None]
    given += [] if options.get("auth", True) else ["no-auth"]
    if given:
        sys.stderr.write(f"--{given[0]} does nothing without --transport http.\n")
    if sys.stdin.isatty():
        sys.stderr.write(
            "This serves MCP over stdin and stdout and waits for an application to speak; Ctrl-C ends it.\n"
            "To let an application start it: whatsapp-mcp install --help\n"
            "Other commands: whatsapp-mcp --help\n"
        )
