"""A flood of long messages, from the sender to what an application is shown of it."""

from __future__ import annotations

import pytest

from tests.server.linked import Linked
from tests.server.test_core_tools import answer
from whatsapp_mcp.archive.write import floods

pytestmark = pytest.mark.anyio

LONG = "lorem ipsum " * 1_000
WHERE = "first 1,000 of 12,000 characters: the rest was not kept"


async def test_of_a_flood_every_list_says_what_was_cut_and_the_status_counts_it(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floods, "MOST", 2)
    for _ in range(3):
        await linked.ann.says(LONG)
    await linked.ann.says("done")
    await linked.archived(lambda chat: chat.last_message.text == "done", str(linked.ann.pn))
    text, data = await answer(linked.client, "list_messages", chat="Ann")
    assert text.count(WHERE) == 1
    first, second, cut, _ = (one["text"] for one in data["messages"])
    assert (first, second) == (LONG, LONG)
    assert cut.endswith(f"{LONG[:1_000]}…")
    assert WHERE in cut
    text, _ = await answer(linked.client, "search_messages", query="lorem", limit=5)
    assert "lorem" in text
    for detail in ("concise", "full"):
        ref = data["messages"][2]["ref"]
        text, _ = await answer(
            linked.client, "get_message_context", message=ref, before=0, after=0, detail=detail
        )
        assert WHERE in text
    _, status = await answer(linked.client, "connection_status")
    assert status["cut_short"] == 1
