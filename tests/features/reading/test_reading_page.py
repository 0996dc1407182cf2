"""The page about reading, and what others say of it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.docs import site
from tests.tables import for_each

HERE = Path(__file__).parent
PAGE = (site.DOCS / "reading.md").read_text(encoding="utf-8")
PROMISES = {
    'It is off unless both `engine = "service"`\nand `url` are set': (
        ("test_transcription_service", "test_an_address_alone_sends_nothing"),
        ("test_transcription_service", "test_auto_is_whisper_where_its_model_is_installed"),
    ),
    "No other command and no server fetches a model": (
        ("test_voice", "test_without_a_model_nothing_is_fetched_and_the_command_is_named"),
        ("test_speech", "test_a_model_without_its_tokeniser_is_not_loaded"),
    ),
}
"""What a page promises, and the tests that hold it."""


@for_each("promise", PROMISES)
def test_what_the_page_promises_is_tested(promise: str) -> None:
    assert promise in PAGE
    for module, name in PROMISES[promise]:
        tree = ast.parse((HERE / f"{module}.py").read_text(encoding="utf-8"))
        assert name in {getattr(node, "name", "") for node in ast.walk(tree)}


def test_it_says_that_pictures_and_voice_notes_are_searched_with_extras() -> None:
    install = (site.DOCS / "install.md").read_text(encoding="utf-8")
    extras = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", install.partition("## Extras")[2], re.MULTILINE))
    assert "(reading.md#words-in-pictures)" in extras["ocr"]
    assert "(reading.md#voice-notes-as-text)" in extras["voice"]
    assert re.search(
        r"with \[extras\]\(docs/install.md#extras\) \[pictures\].* and \[voice notes\]",
        (site.ROOT / "README.md").read_text(encoding="utf-8"),
    )
