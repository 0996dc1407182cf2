"""What a real host passes to its model for the commonest calls, in characters, as a table.

`make hosts-figures`, or with another checkout's server: `make hosts-figures ARGS=../other`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import anyio

from tests.hosts.claude_code import ClaudeCode
from tests.hosts.host import Host, converse
from tests.hosts.scripted_model import Call, Shown
from tests.hosts.story import told

CALLS = [
    Call("connection_status"),
    Call("list_chats"),
    Call("list_messages", {"limit": 20}),
    Call("search_messages", {"query": "charcoal"}),
    Call("download_media", {"message": "#3"}),
    Call("send_message", {"chat": "Ann Byrne", "text": "On my way"}),
]


async def _table(hosts: Mapping[str, Host], checkout: Path | None) -> str:
    shown: dict[str, list[Shown]] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with told(Path(folder), checkout) as story:
            for name, host in hosts.items():
                model = await converse(host, Path(folder) / name, story.launch(), CALLS)
                shown[name] = model.shown
    rows = [f"| call | {' | '.join(shown)} |", f"| --- {'| ---: ' * len(shown)}|"]
    for number, call in enumerate(CALLS):
        cells = [_cell(each[number]) for each in shown.values()]
        rows.append(f"| `{call.tool}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(shown: Shown) -> str:
    return f"{len(shown.text):,}" + " + image" * len(shown.images)


def main(hosts: Mapping[str, Host]) -> None:
    """Print the table of some hosts."""
    print(anyio.run(_table, hosts, Path(sys.argv[1]).resolve() if sys.argv[1:] else None))


if __name__ == "__main__":
    main({"Claude Code": ClaudeCode()})
