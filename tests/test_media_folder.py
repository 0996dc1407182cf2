"""What comes into the folder of files has room there, and a name that does no harm."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.errors import Busy, TooLong
from whatsapp_mcp.files import media_folder
from whatsapp_mcp.files.media_folder import require_room, safe_name
from whatsapp_mcp.settings import MediaSettings

MEGABYTE = 1_000_000


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    limits = MediaSettings(max_megabytes=2, free_megabytes=0)
    require_room(tmp_path, 2 * MEGABYTE, limits)
    with pytest.raises(TooLong, match="at most 2"):
        require_room(tmp_path, 2 * MEGABYTE + 1, limits)


def test_a_folder_takes_so_much_and_no_more(tmp_path: Path) -> None:
    limits = MediaSettings(total_megabytes=3, free_megabytes=0)
    (tmp_path / "outgoing").mkdir()
    (tmp_path / "one").write_bytes(bytes(MEGABYTE))
    (tmp_path / "outgoing" / "two").write_bytes(bytes(MEGABYTE))
    require_room(tmp_path, MEGABYTE, limits)
    with pytest.raises(Busy, match="2 files, 2 MB"):
        require_room(tmp_path, MEGABYTE + 1, limits)


def test_what_a_link_leads_to_does_not_count(tmp_path: Path) -> None:
    inside, outside = tmp_path / "media", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "large").write_bytes(bytes(2 * MEGABYTE))
    (inside / "link").symlink_to(outside)
    require_room(inside, MEGABYTE // 2, MediaSettings(total_megabytes=1, free_megabytes=0))


def test_so_many_files_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_folder, "MOST_FILES", 2)
    for name in "ab":
        require_room(tmp_path, 1, MediaSettings(free_megabytes=0))
        (tmp_path / name).touch()
    with pytest.raises(Busy, match="2 files"):
        require_room(tmp_path, 1, MediaSettings(free_megabytes=0))


def test_some_of_the_disk_stays_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=10 * MEGABYTE)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)  # pyright: ignore[reportUnknownLambdaType]
    require_room(tmp_path, 5 * MEGABYTE, MediaSettings(free_megabytes=5))
    with pytest.raises(Busy, match="disk"):
        require_room(tmp_path, 5 * MEGABYTE + 1, MediaSettings(free_megabytes=5))


@for_each(
    ("given_", "mime_type", "found", "name"),
    [
        ("plan.pdf", "application/pdf", "application/pdf", "7.pdf"),
        ("Plan.PDF", None, None, "7.pdf"),
        (None, "image/jpeg", "image/jpeg", "7.jpg"),
        (None, None, None, "7.bin"),
        ("holiday.jpg.exe", "image/jpeg", "image/jpeg", "7.jpg"),
        ("setup.exe", "application/pdf", None, "7.exe.bin"),
        ("invoice.pdf.lnk", "application/pdf", None, "7.lnk.bin"),
        ("run.sh", "text/plain", None, "7.sh.bin"),
        ("letter.docx", None, "application/zip", "7.docx"),
        ("voice.opus", "audio/ogg; codecs=opus", "audio/ogg", "7.opus"),
        ("photo.png", "image/png", "image/jpeg", "7.png"),
        ("../../etc/passwd", None, None, "7.bin"),
        ("a.b/c", None, None, "7.bin"),
        ("x.\u202egpj", "image/jpeg", None, "7.jpg"),
        (".bashrc", None, None, "7.bin"),
        ("notes.txt", "text/plain", None, "7.txt"),
    ],
)
def test_a_download_has_a_name_that_says_what_it_is_and_starts_nothing(
    given_: str | None, mime_type: str | None, found: str | None, name: str
) -> None:
    assert safe_name(7, given_, mime_type, found) == name


@given(st.one_of(st.none(), st.text(max_size=40)), st.one_of(st.none(), st.text(max_size=40)))
def test_whatever_a_sender_writes_the_name_is_harmless(given_: str | None, mime_type: str | None) -> None:
    name = safe_name(7, given_, mime_type, None)
    assert name.startswith("7.")
    assert name.isascii()
    assert "/" not in name
    assert len(name) <= 20
    assert Path(name).suffix not in media_folder._STARTED
