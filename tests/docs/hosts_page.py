"""What the pages say of each host: the part of those of the core stands in docs/install.md."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from whatsapp_mcp.cli.hosts import Host, Launch, Machine, System, http_snippet, snippet
from whatsapp_mcp.cli.hosts.host import JSON

_MAKING = re.compile(r"`whatsapp-mcp token create \S+ --scope \S+` makes the token(?:\.|: )")
"""What the page says once, for all."""
_LAUNCH = Launch("/home/ann/.local/bin/whatsapp-mcp")
_MACHINES = {
    "Linux": Machine(System.LINUX, "~"),
    "macOS": Machine(System.MACOS, "~"),
    "Windows": Machine(System.WINDOWS, "%USERPROFILE%"),
}


def part(host: Host, version: str | None) -> str:
    """What differs for one host, and the version with which it was run."""
    after = f"{host.afterwards} {host.sign}".strip()
    source = f"[Its documentation]({host.source})"
    source += f"; run with version {version} on Linux." if version else "."
    if host.entry is None:
        parts = [_http(host), after, source]
    else:
        start = _automatic(host) if host.is_automatic else _by_hand(host)
        parts = [start, after, *host.remarks, source]
    return "".join(f"\n{part}\n" for part in parts if part)


def versions(folder: Path) -> Mapping[str, str]:
    """The versions of the packages of npm that the tests of a folder install."""
    manifest = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    return {**manifest["dependencies"], **manifest.get("optionalDependencies", {})}


def _automatic(host: Host) -> str:
    if not host.has_commands:
        return f"`whatsapp-mcp install {host.name}` changes {_files(host)}."
    assert host.command is not None
    shown = snippet(host, _LAUNCH, "whatsapp", _MACHINES["Linux"]).text
    otherwise = f"it changes {_files(host)}" if host.is_edited else "it prints the command"
    return (
        f"`whatsapp-mcp install {host.name}` runs this; without a `{host.command.program}` on the `PATH`, "
        f"{otherwise}.\n\n{_fenced(shown)}"
    )


def _by_hand(host: Host) -> str:
    text, where = snippet(host, _LAUNCH, "whatsapp", _MACHINES["Linux"])
    if host.command is not None:
        return f"Run the command that `whatsapp-mcp client-config {host.name}` prints:\n\n{_fenced(text)}"
    place = f"Merge it into {_files(host)}." if host.files else where.replace(", and paste this", "")
    fenced = _fenced(text, host.format.name.lower())
    return f"{place} `whatsapp-mcp client-config {host.name}` prints it.\n\n{fenced}"


def _http(host: Host) -> str:
    """How it reaches a server that runs already."""
    machine, public = _MACHINES["Linux"], "https://wa.example.org"
    text, where = http_snippet(host, "whatsapp", machine, port=8808, public=public)
    where = _MAKING.sub("", where).replace("set it as", "Set the token as").rstrip()
    if host.http.entry and host.format is JSON:
        text = json.dumps(json.loads(text), ensure_ascii=False)
    return f"{where}\n\n{_fenced(text, host.format.name.lower() if host.http.entry else 'text')}"


def _files(host: Host) -> str:
    """Where it keeps its servers, on each system."""
    systems: dict[str, list[str]] = {}
    for title, machine in _MACHINES.items():
        systems.setdefault(machine.file(host.files[machine.system]), []).append(title)
    menu = f" ({host.menu})" if host.menu else ""
    return ", ".join(f"`{file}` on {' and '.join(titles)}" for file, titles in systems.items()) + menu


def _fenced(text: str, language: str = "text") -> str:
    return f"```{language}\n{text}\n```"
