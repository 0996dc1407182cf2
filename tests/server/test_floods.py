"""A flood of messages, from the sender to what an application is shown of it."""

from __future__ import annotations

import pytest

from tests.server.linked import Linked
from tests.server.test_core_tools import answer
from whatsapp_mcp.archive.write import addon_writer, floods
from whatsapp_mcp.protobufs import E2E

pytestmark = pytest.mark.anyio

LONG = "lorem ipsum " * 1_000
WHERE = "first 100 of 12,000 characters: the rest was not kept"


async def test_of_a_flood_every_list_says_what_was_cut_and_the_status_counts_it(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floods, "MOST", 2 * (2 * len(LONG) + 1_500))
    for _ in range(3):
        await linked.ann.says(LONG)
    await linked.ann.says("done")
    await linked.archived(lambda chat: chat.last_message.text == "done", str(linked.ann.pn))
    text, data = await answer(linked.client, "list_messages", chat="Ann")
    assert text.count(WHERE) == 1
    first, second, cut, _ = (one["text"] for one in data["messages"])
    assert (first, second) == (LONG, LONG)
    assert cut.endswith(f"{LONG[:100]}…")
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
    assert status["cut_short"] == 2  # of the last one only the raw form is missing


async def test_a_flood_of_reactions_to_messages_that_never_came_is_bounded_and_the_status_counts_it(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addon_writer, "MOST", 2_000)
    for number in range(6):
        body = E2E.Message()
        body.reactionMessage.text, body.reactionMessage.key.ID = "👍", f"3EB0{number:016}"
        await linked.ann.says(body)
    last = "that was all"
    await linked.ann.says(last)
    await linked.archived(
        lambda chat: chat.last_message is not None and chat.last_message.text == last, str(linked.ann.pn)
    )
    _, status = await answer(linked.client, "connection_status")
    assert status["addons_dropped"] == 3
