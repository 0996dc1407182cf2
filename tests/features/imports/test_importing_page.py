"""The page about imports: what it shows of a version that is not known is what the command prints."""

from pathlib import Path

from whatsapp_mcp.features.imports.command_line import report_of
from whatsapp_mcp.features.imports.requests import UnknownVersion

PAGE = (Path(__file__).parents[3] / "docs" / "importing.md").read_text(encoding="utf-8")


def test_of_a_version_that_is_not_known_the_page_shows_what_can_be_reported() -> None:
    unknown = UnknownVersion(9999, (("message", ("_id", "chat_row_id", "…")),))
    assert f"{report_of(unknown)}\n```" in PAGE
