"""What the processes that read foreign files may tell their server: sentences that it knows."""

from __future__ import annotations

from typing import Final

import pytest

from tests.media.test_job_errors import raised, unsaid
from tests.tables import for_each
from whatsapp_mcp.errors import Busy, InvalidArgument, MediaUnavailable, TooLong, Unsupported
from whatsapp_mcp.features.imports import sentences
from whatsapp_mcp.media.job import error_of

READER: Final = {"reader.py"}
"""Its errors do not come from the process."""
RAISED: Final = sorted(
    {
        *raised("whatsapp_mcp.features.imports.exports", READER),
        *raised("whatsapp_mcp.features.imports.foreign", READER),
    }
)


@for_each(("code", "message", "action"), RAISED)
def test_every_error_that_a_job_raises_arrives_as_itself(code: str, message: str, action: str) -> None:
    found = error_of({"code": code, "message": message, "action": action}, sentences.SAID)
    assert (found.code, found.message, found.action) == (code, message, action)


@pytest.mark.parametrize(("known", "at"), [(sentences.SENTENCES, 1), (sentences.ACTIONS, 2)])
def test_no_sentence_is_known_that_no_job_says(known: str, at: int) -> None:
    assert unsaid(known, [each[at] for each in RAISED]) == []


def test_what_an_error_of_a_job_may_be() -> None:
    kinds = (Busy, InvalidArgument, MediaUnavailable, TooLong, Unsupported)
    assert {code for code, _, _ in RAISED} == {kind.code for kind in kinds}
