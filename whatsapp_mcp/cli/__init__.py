"""The command line: `whatsapp-mcp`.

An MCP application waits for the server's first answer, so the lines that `install` writes are
dispatched here, before Typer and the libraries of the other commands are imported. This module imports
nothing itself.
"""

import os
import sys


def main() -> None:
    """Run `whatsapp-mcp` with the process's arguments; without a command it serves over stdio."""
    from whatsapp_mcp.cli.outcome import ExitCode, write_utf8
    from whatsapp_mcp.processes.system_calls import forbid_core_dumps

    forbid_core_dumps()
    write_utf8()
    try:
        _run(sys.argv[1:])
    except KeyboardInterrupt:  # while it was still importing
        sys.exit(ExitCode.INTERRUPTED)


def _run(arguments: list[str]) -> None:
    options = _of_an_application(arguments)
    if options is not None and not _is_completing():
        from whatsapp_mcp.cli.serve import serve

        sys.exit(serve(**options))
    if _is_completing():
        # Typer takes markup out of descriptions with it, and ours have none: a third of the time.
        sys.modules["rich"] = None  # pyright: ignore[reportArgumentType]
    from whatsapp_mcp.cli.app import app

    # A shell cannot complete `python -m whatsapp_mcp`; its usage is that of the command.
    app(prog_name="whatsapp-mcp" if sys.argv[0].endswith("__main__.py") else None)


def _of_an_application(arguments: list[str]) -> dict[str, str | bool] | None:
    """The options of a line with which applications start a server; None for any other line."""
    structured: dict[str, str | bool] = {"structured": True} if "--structured" in arguments else {}
    match [argument for argument in arguments if argument != "--structured"]:
        case [] | ["serve"]:
            return structured
        case ["--account", name] | ["serve", "--account", name] if not name.startswith("-"):
            return {"account": name, **structured}
        case _:
            return None


def _is_completing() -> bool:
    """Check whether a shell asks for completions: `_<PROGRAM>_COMPLETE` is set, without arguments."""
    return any(name.startswith("_") and name.endswith("_COMPLETE") for name in os.environ)
