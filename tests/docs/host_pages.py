"""Writes docs/hosts/, a page for each host from the table of hosts: `python -m tests.docs.host_pages`."""

from __future__ import annotations

import json
from pathlib import Path

from whatsapp_mcp.cli.hosts import HOSTS, Host, Launch, Machine, System, http_snippet, snippet
from whatsapp_mcp.cli.hosts.host import PUBLIC

FOLDER = Path(__file__).parents[2] / "docs" / "hosts"
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
_LAUNCH = Launch("/home/ann/.local/bin/whatsapp-mcp")
_MACHINES = {
    "Linux": Machine(System.LINUX, "~"),
    "macOS": Machine(System.MACOS, "~"),
    "Windows": Machine(System.WINDOWS, "%USERPROFILE%"),
}
_INSTALL = """\
# WhatsApp in {title}

From nothing to an answer about one of your chats, in about five minutes. You need Python 3.11 or newer, a
copy of this repository, and your phone. This page is written by `python -m tests.docs.host_pages`.

## 1. Install

In the folder of the repository:

<!-- not run: it would install into the home folder of whoever runs the tests -->
```sh
uv tool install .
```

`pipx install .` does the same ([other ways](../install.md)). If the shell does not find
`whatsapp-mcp`, run `uv tool update-shell` and open a new terminal. `whatsapp-mcp doctor` then checks
everything; its last line begins with “All is well”.

## 2. Link your phone

<!-- run by tests/docs/test_tutorial.py -->
```sh
whatsapp-mcp link
```

It shows a QR code. On the phone, open **Settings → Linked devices → Link a device** and scan it. Without a
camera, `whatsapp-mcp link --phone` with your number shows a code to type instead. The command ends when the
phone has sent its history, which takes a minute or two; go on with the next step meanwhile. This is an
unofficial client: read [the risks](../../README.md) first.
"""
_ASK = """
## {number}. Ask

In {title}, ask:

> Who waits for an answer from me on WhatsApp? Name the three most important chats and what they want.

If you are asked whether a tool of `whatsapp` may be used, allow it. The answer names your own chats. Then try
“What did Ann write this week?” or “Tell Ann that I will be ten minutes late”. Before anything is sent to
somebody who is not in your address book, you are asked.

## If it does not work

| what you see | what to do |
| --- | --- |
| {title} shows no tools of WhatsApp | {again}, and start {title} again |
| the agent says that no phone is linked | `whatsapp-mcp link` |
| the agent says that it is not connected | `whatsapp-mcp status` says why, and what to do |
| older messages are missing | the phone is still sending them; `whatsapp-mcp status` counts them |
| anything else | `whatsapp-mcp doctor`, then [troubleshooting](../troubleshooting.md) |
"""
_INDEX = """\
# Applications

One page for each application, from nothing to the first answer. An application that is not here can be set up
like one that is: most take the JSON of Claude Desktop. This page is written by
`python -m tests.docs.host_pages`.
"""
_FROM_CONTAINER = """\
{title} reaches the server over HTTP. From a container, this computer is called `host.docker.internal`: list
that name as `server.allowed_hosts` in [`config.toml`](../remote.md#from-containers-and-other-machines).
"""
_SIGNS_IN = """\
{title} reaches the server over HTTP and signs in with OAuth. [Remote access](../remote.md#oauth) says which
settings that takes.
"""


def render(host: Host) -> str:
    """The page of one host."""
    connect = _serving if host.shape is None else _automatic if host.is_automatic else _by_hand
    again = (
        f"`whatsapp-mcp install {host.name}` once more"
        if host.is_automatic
        else f"compare what it has with `whatsapp-mcp client-config {host.name}`"
    )
    ask = _ASK.format(title=host.title, number=4 if host.shape else 5, again=again)
    parts = [
        _INSTALL.format(title=host.title),
        connect(host),
        ask,
        *([_over_http(host)] if host.shape else []),
    ]
    return "".join([*parts, f"\n{_tested(host)}\n"])


def _automatic(host: Host) -> str:
    lines = [
        f"\n## 3. Connect {host.title}\n\n<!-- run by tests/cli/hosts/test_install.py -->\n",
        _fenced(f"whatsapp-mcp install {host.name}", "sh"),
    ]
    if host.has_commands:
        assert host.command is not None
        command = _fenced(snippet(host, _LAUNCH, "whatsapp", _MACHINES["Linux"]).text)
        lines.append(f"\nIt shows the command of {host.title} that it runs, and asks:\n\n{command}")
        otherwise = "changes this file instead" if host.is_edited else "prints the command for you to run"
        lines.append(f"\nIf there is no `{host.command.program}` on the `PATH`, it {otherwise}.\n")
    else:
        lines.append("\nIt shows what it adds to this file, and asks.\n")
    if host.is_edited:
        lines.append(
            "Everything else in the file stays as it is. Where that cannot be done safely, it prints what to "
            f"paste.\n\n{_files(host)}"
        )
    lines.append(f"\n`whatsapp-mcp install {host.name} --undo` takes it back.\n\n{_after(host)}")
    return "".join(lines)


def _by_hand(host: Host) -> str:
    text, where = snippet(host, _LAUNCH, "whatsapp", _MACHINES["Linux"])
    what = "a command, which you run" if host.command else f"an entry. {where.removesuffix('.')}"
    files = f"\n{_files(host)}" if host.files and host.command is None else ""
    return (
        f"\n## 3. Connect {host.title}\n\n{_fenced(f'whatsapp-mcp client-config {host.name}', 'sh')}\n"
        f"This prints {what}. With the full path of the program on your computer, it looks so:\n\n"
        f"{_fenced(text, 'text' if host.command else host.format)}{files}\n{_after(host)}"
    )


def _serving(host: Host) -> str:
    mark = "<!-- not run: it needs a public URL -->\n" if host.http.base == PUBLIC else ""
    reach = (_SIGNS_IN if host.http.signs_in else _FROM_CONTAINER).format(title=host.title)
    return (
        f"\n## 3. Keep a server running\n\n{_fenced('whatsapp-mcp service install', 'sh')}\n{reach}"
        f"\n## 4. Connect {host.title}\n\n"
        f"{mark}{_fenced(f'whatsapp-mcp client-config {host.name}', 'sh')}\n"
        f"{_http(host)}\n{_after(host)}"
    )


def _over_http(host: Host) -> str:
    return (
        f"\n## Over HTTP\n\n{host.title} can also use a server that [runs already](../service.md). "
        f"`whatsapp-mcp client-config {host.name} --http` prints how:\n\n{_http(host)}"
    )


def _http(host: Host) -> str:
    machine, public = _MACHINES["Linux"], "https://wa.example.org"
    text, where = http_snippet(host, "whatsapp", machine, port=8808, public=public)
    return f"{where}\n\n{_fenced(text, host.format if host.http.entry else 'text')}"


def _files(host: Host) -> str:
    rows = [f"| {title} | `{each.file(host.files[each.system])}` |\n" for title, each in _MACHINES.items()]
    return f"| system | file |\n| --- | --- |\n{''.join(rows)}"


def _after(host: Host) -> str:
    return f"{host.afterwards} {host.sign}".strip() + "\n"


def _tested(host: Host) -> str:
    """Whether this was seen to work, or is what a documentation says."""
    documentation = f"[the documentation of {host.title}]({host.source})"
    if (package := _PACKAGES.get(host.name)) is None:
        return f"This follows {documentation}. It was not run with the application itself."
    return f"This follows {documentation}, and was run with version {_VERSIONS[package]} on Linux."


def _fenced(text: str, language: str = "text") -> str:
    return f"```{language}\n{text}\n```\n"


def render_index() -> str:
    """The list of the pages."""
    kinds = {
        "By one command": [host for host in HOSTS if host.is_automatic],
        "By hand": [host for host in HOSTS if host.shape is not None and not host.is_automatic],
        "Over HTTP": [host for host in HOSTS if host.shape is None],
    }
    parts = [_INDEX]
    for title, hosts in kinds.items():
        rows = "".join(f"| [{host.title}]({host.name}.md) | `{_command(host)}` |\n" for host in hosts)
        parts.append(f"\n## {title}\n\n| application | command |\n| --- | --- |\n{rows}")
    return "".join(parts)


def _command(host: Host) -> str:
    return f"whatsapp-mcp {'install' if host.is_automatic else 'client-config'} {host.name}"


def pages() -> dict[str, str]:
    """Every page, by the name of its file."""
    return {f"{host.name}.md": render(host) for host in HOSTS} | {"README.md": render_index()}


def main() -> None:
    """Write the pages, and delete those of hosts that are gone."""
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    for page in FOLDER.glob("*.md"):
        if page.name not in wanted:
            page.unlink()


if __name__ == "__main__":
    main()
