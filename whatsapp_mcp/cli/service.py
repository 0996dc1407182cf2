"""`whatsapp-mcp service …`: keep a server running, as a systemd user unit or a launchd agent.

Sources: systemd.service(5), systemd.syntax(7), launchd.plist(5), launchctl(1).
"""

from __future__ import annotations

import os
import plistlib
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from whatsapp_mcp.cli.command_line import App
from whatsapp_mcp.cli.options import AnyAccount, port_number
from whatsapp_mcp.cli.outcome import ExitCode
from whatsapp_mcp.errors import Busy, InvalidArgument, Unsupported, disk_failure
from whatsapp_mcp.system import HERE, System, command_line, own_user

if TYPE_CHECKING:
    from whatsapp_mcp.cli.hosts import Launch

app = App(no_args_is_help=True)

Port = Annotated[
    int | None,
    typer.Option(parser=port_number, metavar="PORT", help="Port to listen on (default: 8808)."),
]
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of the service (default: whatsapp-mcp, with the account's)."),
]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LIMIT: Final = 60.0
"""Seconds for the service manager to do one thing."""
_DESCRIPTION: Final = "Description=WhatsApp for MCP applications"
_UNIT: Final = """\
[Unit]
{description}

[Service]
ExecStart={command}
{environment}Restart=always
RestartSec=5
# A wrong option or setting stays wrong.
RestartPreventExitStatus={usage}
TimeoutStopSec=10
UMask=0077
NoNewPrivileges=true
LockPersonality=true
# Not PrivateTmp or ProtectHome: servers meet below /tmp where there is no /run/user, and work in the home.
ProtectSystem=full
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """One service as its manager knows it.

    Attributes:
        path: The file that describes it.
        content: What stands in that file.
        start: The commands that make the manager start or restart it.
        stop: The commands that make the manager end it; they may fail when it does not run.
        forget: The commands that follow when the file is gone.
        hint: What the person may want to know next.
    """

    path: Path
    content: str
    start: tuple[Command, ...]
    stop: tuple[Command, ...]
    forget: tuple[Command, ...]
    hint: str


@app.command("print")
def print_service(account: AnyAccount = None, port: Port = None, name: Name = None) -> None:
    """Print the file that describes it.

    A systemd unit or a launchd agent; nothing is written.
    """
    _check(account)
    typer.echo(_service(account, port, name).content, nl=False)


@app.command()
def install(account: AnyAccount = None, port: Port = None, name: Name = None) -> None:
    """Install and start it, or renew it.

    Shows the file that it writes and the commands that it runs.
    """
    _check(account)
    service = _service(account, port, name)
    _find_manager(service)
    typer.echo(f"{service.path}\n\n{service.content}")
    # `enable --now` leaves a service that runs as it is, and launchd refuses to load one twice.
    if service.path.exists():
        _run_all(service.stop, may_fail=True)
    try:
        service.path.parent.mkdir(parents=True, exist_ok=True)
        service.path.write_text(service.content, encoding="utf-8")
    except OSError as error:
        why, action = disk_failure(error, "Make it writable.")
        raise Busy(f"{service.path} cannot be written: {why}.", action) from error
    _run_all(service.start)
    typer.echo(service.hint)


@app.command()
def uninstall(account: AnyAccount = None, name: Name = None) -> None:
    """End it and remove it.

    The account, its archive and the settings stay.
    """
    remove_service(account, name)


def remove_service(account: str | None = None, name: str | None = None) -> None:
    """End the service of this name, or of this account, and remove it.

    Raises:
        InvalidArgument: There is none.
        Busy: The service manager failed.
        Unsupported: This system has none.
    """
    service = _service(account, None, name)
    _find_manager(service)
    if not service.path.exists():
        raise InvalidArgument(f"There is no {service.path}.", "Give the --account or --name of the service.")
    _run_all(service.stop, may_fail=True)
    service.path.unlink(missing_ok=True)
    typer.echo(f"Removed {service.path}.")
    _run_all(service.forget)


def installed_services() -> list[Path]:
    """The files of all services of this program; the name of each is that of its file."""
    from whatsapp_mcp.cli.hosts import Launch

    if HERE is System.MACOS:
        agents = sorted((Path.home() / "Library" / "LaunchAgents").glob("*.plist"))
        return [path for path in agents if _is_our_agent(path)]
    folder = systemd_unit("whatsapp-mcp", Launch("")).path.parent
    return [path for path in sorted(folder.glob("*.service")) if _DESCRIPTION in _text_of(path)]


def services_of(account: str) -> list[Path]:
    """Return the installed services whose command names this account."""
    # In a unit the words are in quotation marks, in an agent each is an element.
    named = re.compile(rf'--account(?:=|"?\s+"?|</string>\s*<string>){re.escape(account)}(?![\w.-])')
    return [path for path in installed_services() if named.search(_text_of(path))]


def _is_our_agent(path: Path) -> bool:
    from whatsapp_mcp.cli.hosts import Launch

    try:
        words = plistlib.loads(path.read_bytes())["ProgramArguments"]
        return Launch(words[0], tuple(words[1:])).is_ours()
    except (OSError, ValueError, LookupError, TypeError, plistlib.InvalidFileException):
        return False


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _check(account: str | None) -> None:
    """Check that the settings and the account's name can be used."""
    from whatsapp_mcp import settings

    loaded = settings.load()
    if account is not None:
        loaded.account_folder(account)


def _service(account: str | None, port: int | None, name: str | None) -> Service:
    """The service of this platform.

    Raises:
        InvalidArgument: The service cannot have this name.
        Unsupported: There is none for this platform.
    """
    from whatsapp_mcp.cli.hosts import Launch

    called = name or ("whatsapp-mcp" if account in (None, "default") else f"whatsapp-mcp-{account}")
    if _NAME.fullmatch(called) is None:
        raise InvalidArgument(
            f"{called!r} is not a valid service name.", "Use letters, digits, '_', '-' and '.'."
        )
    on_port = () if port is None else ("--port", str(port))
    launch = Launch.here(account, "serve", "--transport", "http", *on_port)
    if HERE is System.MACOS:
        return launchd_agent(called, launch)
    if HERE is System.LINUX:
        return systemd_unit(called, launch)
    raise Unsupported(
        "Services are supported on systemd and launchd only.",
        f"Let this system start at login: {command_line((launch.command, *launch.args))}",
    )


def systemd_unit(name: str, launch: Launch) -> Service:
    """A unit of the user's own systemd."""
    base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    # The program itself is not searched for variables.
    words = [_quoted(launch.command), *(_quoted(word).replace("$", "$$") for word in launch.args)]
    variables = (f"Environment={_quoted(f'{key}={value}')}\n" for key, value in launch.env)
    control = ("systemctl", "--user")
    return Service(
        base / "systemd" / "user" / f"{name}.service",
        _UNIT.format(
            description=_DESCRIPTION,
            command=" ".join(words),
            environment="".join(variables),
            usage=int(ExitCode.USAGE),
        ),
        start=((*control, "daemon-reload"), (*control, "enable", "--now", name)),
        stop=((*control, "disable", "--now", name),),
        forget=((*control, "daemon-reload"),),
        hint=f"Its log: journalctl --user -u {name}\n"
        "To run it also while you are not logged in: loginctl enable-linger",
    )


def _quoted(word: str) -> str:
    """A word of a unit; a percent sign would begin a specifier."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("%", "%%")
    return escaped if re.fullmatch(r"[\w@%+=:,./-]+", escaped) else f'"{escaped}"'


def launchd_agent(name: str, launch: Launch) -> Service:
    """An agent of the user's own launchd."""
    log = Path.home() / "Library" / "Logs" / f"{name}.log"
    agent = {
        "Label": name,
        "ProgramArguments": [launch.command, *launch.args],
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 10,
        "Umask": 0o077,
        "StandardErrorPath": str(log),
        **({"EnvironmentVariables": dict(launch.env)} if launch.env else {}),
    }
    path = Path.home() / "Library" / "LaunchAgents" / f"{name}.plist"
    domain = f"gui/{own_user()}"
    return Service(
        path,
        plistlib.dumps(agent, sort_keys=False).decode(),
        start=(("launchctl", "bootstrap", domain, str(path)),),
        stop=(("launchctl", "bootout", f"{domain}/{name}"),),
        forget=(),
        hint=f"Its log: {log}",
    )


def _find_manager(service: Service) -> None:
    program = service.start[0][0]
    if shutil.which(program) is None:
        raise Unsupported(
            f"There is no {program} here.",
            "Print the file with `whatsapp-mcp service print` and let this system start what it names.",
        )


def _run_all(commands: Iterable[Command], *, may_fail: bool = False) -> None:
    """Run commands of the service manager and show each.

    Raises:
        Busy: One failed.
    """
    for command in commands:
        shown = shlex.join(command)
        typer.echo(f"$ {shown}")
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LIMIT, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise Busy(f"`{shown}` took longer than {_LIMIT:.0f} seconds.", "Run it by hand.") from late
        if done.returncode != 0 and not may_fail:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise Busy(f"`{shown}` failed: {last.rstrip('.')}.", "Run it by hand to see the cause.")
