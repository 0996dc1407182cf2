"""What is printed for each host on each system, as files to look at: `python -m tests.cli.hosts.golden`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from whatsapp_mcp.cli.hosts import Host, Launch, Machine, System, http_snippet, snippet
from whatsapp_mcp.cli.hosts.table import CLAUDE_CODE, CLAUDE_DESKTOP, GENERIC

FOLDER = Path(__file__).parents[1] / "golden" / "hosts"
CORE = (CLAUDE_DESKTOP, CLAUDE_CODE, GENERIC)
MACHINES = {
    System.LINUX: Machine(System.LINUX, "/home/ann"),
    System.MACOS: Machine(System.MACOS, "/Users/ann"),
    System.WINDOWS: Machine(System.WINDOWS, "C:\\Users\\ann"),
}
LAUNCHES = {
    System.LINUX: Launch("/home/ann/.local/bin/whatsapp-mcp"),
    System.MACOS: Launch(
        "/Users/ann/my tools/whatsapp-mcp", ("--account", "work"), (("WHATSAPP_MCP_HOME", "/Volumes/A B/wa"),)
    ),
    System.WINDOWS: Launch("C:\\Users\\ann\\.local\\bin\\whatsapp-mcp.exe", ("--account", "work")),
}


def render(host: Host) -> str:
    """All that is printed for a host."""
    parts = [f"{host.title}\n{host.source}\n"]
    if host.entry is not None:
        for system, machine in MACHINES.items():
            where, text = reversed(snippet(host, LAUNCHES[system], "whatsapp", machine))
            parts.append(f"== {system}\n{where}\n\n{text}\n")
    where, text = reversed(
        http_snippet(host, "whatsapp", MACHINES[System.LINUX], port=8808, public="https://wa.example.org")
    )
    parts.append(f"== http\n{where}\n\n{text}\n")
    return "\n".join(parts)


def write(hosts: Iterable[Host], folder: Path) -> None:
    """Write the files."""
    for host in hosts:
        (folder / f"{host.name}.txt").write_text(render(host), encoding="utf-8")


if __name__ == "__main__":
    write(CORE, FOLDER)
