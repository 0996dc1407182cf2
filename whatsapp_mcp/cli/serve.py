"""`whatsapp-mcp serve`, kept apart from Typer so that an MCP application gets its first answer soon."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The options of `serve`; what is left out is decided by the settings."""
    result = argparse.ArgumentParser(
        prog="whatsapp-mcp serve",
        description="Serve MCP. This is also what whatsapp-mcp does without a command.",
        epilog="Other commands: whatsapp-mcp --help",
        allow_abbrev=False,
    )
    result.add_argument("--account", default="default", metavar="NAME", help="local name of the account")
    result.add_argument(
        "--transport",
        choices=("stdio", "http", "sse"),
        default="stdio",
        help="http and sse are one server: /mcp and /sse (default: stdio)",
    )
    result.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    result.add_argument("--port", type=_port, help="port to listen on, 0 for a free one (default: 8808)")
    result.add_argument("--no-auth", action="store_true", help="ask for no bearer token; on loopback only")
    result.add_argument("--toolsets", metavar="NAMES", help="comma-separated sets of tools to offer")
    result.add_argument(
        "--structured",
        action="store_true",
        default=None,
        help="answer data beside the text; some applications then show the model the data alone",
    )
    return result


def serve(arguments: Sequence[str]) -> int:
    """Serve until the application goes or a signal comes; answers the exit code when that never began."""
    options = parser().parse_args(arguments)
    if options.transport == "stdio":
        # None is what Python makes of one that is closed.
        if None in (sys.stdin, sys.stdout):
            sys.stderr.write(
                "Error: Standard input or output is closed.\n"
                "Let an application start this server, or serve with --transport http.\n"
            )
            return 1
        _explain_stdio(options)
    from whatsapp_mcp.errors import WhatsAppError
    from whatsapp_mcp.server.main import ServeOptions
    from whatsapp_mcp.server.main import serve as serve_mcp

    try:
        serve_mcp(
            ServeOptions(
                account=options.account,
                transport=options.transport,
                host=options.host,
                port=options.port,
                auth=not options.no_auth,
                toolsets=options.toolsets,
                structured=options.structured,
            )
        )
    except WhatsAppError as error:
        sys.stderr.write(f"Error: {error.message}\n{error.action}\n")
        return 1


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 0 to 65535")


def _explain_stdio(options: argparse.Namespace) -> None:
    """Say on stderr what a person who starts it by hand cannot see."""
    given = [name for name in ("host", "port") if getattr(options, name) is not None]
    given += ["no-auth"] if options.no_auth else []
    if given:
        sys.stderr.write(f"--{given[0]} does nothing without --transport http.\n")
    if sys.stdin.isatty():
        sys.stderr.write(
            "This serves MCP over stdin and stdout and waits for an application to speak; Ctrl-C ends it.\n"
            "To let an application start it: whatsapp-mcp client-config --help\n"
            "Other commands: whatsapp-mcp --help\n"
        )
