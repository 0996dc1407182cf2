"""What the reading process may tell its server of a file: sentences that the server knows."""

from __future__ import annotations

from typing import Final

import pytest

from tests.media.test_job_errors import ELSEWHERE, LABELS, SLOTS, raised, unsaid
from tests.tables import for_each
from whatsapp_mcp.errors import TooLong, Unsupported
from whatsapp_mcp.features.reading.documents import opening
from whatsapp_mcp.features.reading.readers import sentences
from whatsapp_mcp.media.job import error_of

OF_THE_SERVER: Final = {"readers/reader.py", "speech/hub.py", "speech/options.py", "speech/service.py"}
ROOMS: Final = ("documents", "readers", "speech")
OF_FEATURE: Final = {
    "label": [*LABELS, *opening._OLE_STREAMS.values(), *opening._ARCHIVES.values(), "an old Office document"],
    "self.name": ["small", "large-v3-turbo"],
    "self._name": ["small"],
    "name": ["model.bin", "preprocessor_config.json"],
    "why": ["it cannot be loaded", "its file vocabulary.txt is damaged or missing"],
    "WRITING": ["Latin letters, Chinese and Japanese"],
}
RAISED: Final = sorted(
    {
        each
        for room in ROOMS
        for each in raised(
            f"whatsapp_mcp.features.reading.{room}",
            {name.removeprefix(f"{room}/") for name in OF_THE_SERVER},
            SLOTS | OF_FEATURE,
            (*ELSEWHERE, "There is no such model", "The repository has no"),
        )
    }
)


@for_each(("code", "message", "action"), RAISED)
def test_every_error_that_a_job_raises_arrives_as_itself(code: str, message: str, action: str) -> None:
    found = error_of({"code": code, "message": message, "action": action}, sentences.SAID)
    assert (found.code, found.message, found.action) == (code, message, action)


@pytest.mark.parametrize(("known", "at"), [(sentences.SENTENCES, 1), (sentences.ACTIONS, 2)])
def test_no_sentence_is_known_that_no_job_says(known: str, at: int) -> None:
    assert unsaid(known, [each[at] for each in RAISED], sentences.SLOTS) == []


def test_what_an_error_of_a_job_may_be() -> None:
    assert {code for code, _, _ in RAISED} == {kind.code for kind in (TooLong, Unsupported)}
