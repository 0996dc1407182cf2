"""Writes docs/hosts.md, a part for each host of the table of hosts: `python -m tests.docs.hosts_page`."""

from __future__ import annotations

import json
import re
from pathlib import Path

from whatsapp_mcp.cli.hosts import HOSTS, Host, Launch, Machine, System, http_snippet, snippet
from whatsapp_mcp.cli.hosts.host import JSON

PAGE = Path(__file__).parents[2] / "docs" / "hosts.md"
_PACKAGES = {
    "claude-code": "@anthropic-ai/claude-code",
    "codex": "@openai/codex",
    "gemini-cli": "@google/gemini-cli",
    "qwen-code": "@qwen-code/qwen-code",
    "opencode": "opencode-linux-x64-baseline",
}
"""Those that `make test-hosts` runs."""
_MANIFEST = json.loads((Path(__file__).parents[1] / "hosts" / "package.json").read_text(encoding="utf-8"))
_VERSIONS: dict[str, str] = _MANIFEST["dependencies"] | _MANIFEST["optionalDependencies"]
_MAKING = re.compile(r"`whatsapp-mcp token create \S+ --scope \S+` makes the token(?:\.|: )")
"""What the page says once, for all."""
_LAUNCH = Launch("/home/ann/.local/bin/whatsapp-mcp")
_MACHINES = {
    "Linux": Machine(System.LINUX, "~"),
    "macOS": Machine(System.MACOS, "~"),
    "Windows": Machine(System.WINDOWS, "%USERPROFILE%"),
}
_INTRODUCTION = """\
# Applications

The [steps](#in-every-application) are the same for every application; what differs stands in the part of
yours, which follows its documentation. Where a version is named, it was run with the application itself.
This page is written by `python -m tests.docs.hosts_page`.

| application | set up by |
| --- | --- |
{rows}
Most other applications take the JSON of Claude Desktop, which `whatsapp-mcp client-config claude-desktop`
prints: the path of `whatsapp-mcp`, without arguments.

## In every application

1. [Install](install.md) the program: `uv tool install .` in a copy of this repository.
2. [Link your phone](tutorial.md#3-link-your-phone): `whatsapp-mcp link` shows a QR code. This is an
   unofficial client: read [the risks](../README.md#risks) first.
3. Connect the application. `whatsapp-mcp install NAME` shows what it runs or changes, asks, and does it;
   `--undo` takes it back ([more](commands.md#connecting-an-application)). `whatsapp-mcp client-config NAME`
   only prints. Paths below are as they are without the variables that move them.
4. Ask: “Who waits for an answer from me on WhatsApp? Name the three most important chats and what they
   want.” If you are asked whether a tool of `whatsapp` may be used, allow it.

To use a server that [runs already](service.md), `whatsapp-mcp client-config NAME --http` prints how.
`whatsapp-mcp token create NAME --scope read,send` makes the token. From a container, this computer is called
`host.docker.internal`: list that name as
[`server.allowed_hosts`](remote.md#from-containers-and-other-machines). What signs in with OAuth takes
[these settings](remote.md#oauth).

Something does not work? `whatsapp-mcp doctor`, then [troubleshooting](troubleshooting.md).
"""


def render() -> str:
    """The whole page."""
    rows = "".join(f"| [{host.title}](#{_anchor(host)}) | {_command(host)} |\n" for host in HOSTS)
    return _INTRODUCTION.format(rows=rows) + "".join(map(_part, HOSTS))


def _anchor(host: Host) -> str:
    return host.title.lower().replace(" ", "-")


def _command(host: Host) -> str:
    if host.is_automatic:
        return f"`whatsapp-mcp install {host.name}`"
    return f"`whatsapp-mcp client-config {host.name}`" + (", over HTTP" if host.entry is None else "")


def _part(host: Host) -> str:
    """What differs for one host."""
    after = f"{host.afterwards} {host.sign}".strip()
    if host.entry is None:
        parts = [_http(host), after, _source(host)]
    else:
        start = _automatic(host) if host.is_automatic else _by_hand(host)
        parts = [start, after, *host.remarks, _source(host)]
    return "".join([f"\n## {host.title}\n", *(f"\n{part}\n" for part in parts)])


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


def _source(host: Host) -> str:
    """The documentation that this follows, and the version that it was seen to work with."""
    package = _PACKAGES.get(host.name)
    seen = f"; run with version {_VERSIONS[package]} on Linux" if package else ""
    return f"[Documentation of {host.title}]({host.source}){seen}."


def _fenced(text: str, language: str = "text") -> str:
    return f"```{language}\n{text}\n```"


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
