"""The words of a document that is sent are looked at before it leaves."""

from __future__ import annotations

import pytest

from tests.device.guarded import Guarded
from tests.device.test_concerns import PASSWORD, WORDS, guarded, outgoing, ref_of, to
from tests.media.document_files import pdf
from whatsapp_mcp.device.operations import sends
from whatsapp_mcp.errors import ApprovalRequired
from whatsapp_mcp.models import FileContent, SendStatus
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
__all__ = ["guarded"]


async def test_the_words_of_a_document_of_this_computer_are_looked_at(
    guarded: Guarded, folder: AccountFolder
) -> None:
    await ref_of(guarded, await guarded.stranger.says(WORDS))
    for text, what in ((PASSWORD, "the file has a password"), (WORDS, "the file repeats many words")):
        path = outgoing(folder, pdf([text]), ".pdf")
        with pytest.raises(ApprovalRequired, match=what):
            await guarded.agent.do(
                sends.send, to(guarded, FileContent("document", str(path), "application/pdf"))
            )
    harmless = outgoing(folder, pdf(["Flour, eggs, butter"]), ".pdf")
    sent = await guarded.agent.do(
        sends.send, to(guarded, FileContent("document", str(harmless), "application/pdf"))
    )
    assert sent.status is SendStatus.SENT
