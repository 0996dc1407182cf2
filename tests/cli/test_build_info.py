"""What is known of a build."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from unittest.mock import Mock

import pytest

import whatsapp_mcp
from whatsapp_mcp.cli import installation
from whatsapp_mcp.cli.installation import BuildInfo, library_date


def test_a_checkout_has_no_stamp() -> None:
    assert installation.build_info() is None


def test_the_stamp_of_a_release_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = {"commit": "c" * 40, "released": "2026-09-21", "library": "0.5.2", "library_date": None}
    (tmp_path / installation.BUILD_INFO).write_text(json.dumps(stamp), encoding="utf-8")
    monkeypatch.setattr(installation.resources, "files", Mock(return_value=tmp_path))
    assert installation.build_info() == BuildInfo("c" * 40, date(2026, 9, 21), "0.5.2", None)


def test_the_installed_library_says_of_when_its_whatsmeow_is() -> None:
    """The date that docs/upstream.md gives for it."""
    page = Path(whatsapp_mcp.__file__).parents[1] / "docs" / "upstream.md"
    assert f"whatsmeow of {library_date()}" in page.read_text(encoding="utf-8")


def test_a_library_without_a_list_of_modules_has_no_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "neonize").mkdir()
    (tmp_path / "neonize" / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "neonize" / "neonize-linux-amd64.so").write_bytes(b"\x7fELF")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "neonize", raising=False)
    assert library_date() is None
