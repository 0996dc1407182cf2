"""What each real host passes to its model for the commonest calls, in characters, as a table.

`make hosts-figures`, or with another checkout's server: `make hosts-figures ARGS=../other`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import anyio

from tests.hosts.host import converse
from tests.hosts.scripted_model import Call, Shown
from tests.hosts.story import told
from tests.hosts.test_hosts import HOSTS

CALLS = [
    Call("connection_status"),
    Call("list_chats"),
    Call("list_messages", {"limit": 20}),
    Call("search_messages", {"query": "charcoal"}),
    Call("download_media", {"message": "#3"}),
    Call("send_message", {"chat": "Ann Byrne", "text": "On my way"}),
]


async def _table(checkout: Path | None) -> str:
    shown: dict[str, list[Shown]] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with told(Path(folder), checkout) as story:
            for name, host in HOSTS.items():
                model = await converse(host, Path(folder) / name, story.launch(), CALLS)
                shown[name] = model.shown
    rows = [f"| call | {' | '.join(shown)} |", f"| --- {'| ---: ' * len(shown)}|"]
    for number, call in enumerate(CALLS):
        cells = [_cell(each[number]) for each in shown.values()]
        rows.append(f"| `{call.tool}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(shown: Shown) -> str:
    return f"{len(shown.text):,}" + " + image" * len(shown.images)


if __name__ == "__main__":
    print(anyio.run(_table, Path(sys.argv[1]).resolve() if sys.argv[1:] else None))
