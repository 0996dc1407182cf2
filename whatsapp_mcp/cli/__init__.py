"""The command line: `whatsapp-mcp`.

An MCP application waits for the server's first answer, so `serve` is dispatched here, before the
libraries of the other commands are imported. This module imports nothing itself.
"""

import sys

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
_TYPER_OPTIONS = ("--help", "-h", "--version", "--install-completion", "--show-completion")


def main() -> None:
    """Run `whatsapp-mcp` with the process's arguments; without a command it serves over stdio."""
    try:
        _run(sys.argv[1:])
    except KeyboardInterrupt:  # while it was still importing
        sys.exit(INTERRUPTED)


def _run(arguments: list[str]) -> None:
    command = arguments[0] if arguments else "serve"
    if command == "serve" or (command.startswith("-") and command not in _TYPER_OPTIONS):
        from whatsapp_mcp.cli.serve import serve

        sys.exit(serve(arguments[1:] if command == "serve" else arguments))
    from whatsapp_mcp.cli.app import app

    app()
