"""Every example of the documentation runs here or in the test that it names, or is read by its program."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.docs import command_lines, site
from tests.docs.examples import Example, all_examples, run
from tests.docs.test_archive_page import fill
from tests.loops import run_apart
from tests.tables import for_each
from whatsapp_mcp import settings
from whatsapp_mcp.archive import open_archive

ALL = all_examples()
SHELL = [one for one in ALL if one.language == "sh" and not one.run_by and not one.only_read]
BY_PAGE = {
    page: [one for one in SHELL if one.page == page] for page in dict.fromkeys(one.page for one in SHELL)
}
SETTINGS = [one for one in ALL if one.language == "toml" and not one.run_by]
"""What a person may copy into `config.toml`."""
MADE = [page for page in site.pages() if "page is written by" in " ".join(page.read_text("utf-8").split())]
"""Pages that are compared whole with what their program writes."""
OTHERS = [one for one in ALL if one.language not in {"sh", "toml"} and one.page not in MADE]
"""What another test has to run."""
READ = [one for one in ALL if one.only_read]
LANGUAGES = {"json", "nginx", "python", "sh", "sql", "text", "toml", "yaml"}


@pytest.fixture
def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An account with messages, and a current folder."""
    for name, value in {"HOME": tmp_path, "WHATSAPP_MCP_HOME": tmp_path / "home"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path)
    for manager in ("systemctl", "launchctl", "loginctl"):
        program = tmp_path / "bin" / manager
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:/usr/bin:/bin")

    async def make() -> None:
        folder = settings.load().account_folder()
        folder.create()
        async with open_archive(folder, write=True) as archive:
            await fill(archive)

    run_apart(make)
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="the examples are for a shell of Unix")
@pytest.mark.parametrize("page", BY_PAGE, ids=site.place_of)
def test_the_shell_examples_of_a_page_run(page: Path, used: Path) -> None:
    for example in BY_PAGE[page]:
        run(example)


@for_each("block", SETTINGS)
def test_the_settings_of_a_page_load(block: Example, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(block.body, encoding="utf-8")
    assert settings.load(tmp_path).home == tmp_path


def test_every_block_says_what_it_is() -> None:
    assert [one.name for one in ALL if one.language not in LANGUAGES] == []


def test_every_other_block_says_which_test_runs_it() -> None:
    assert [one.name for one in OTHERS if not one.run_by and not one.is_drawing] == []
    assert [one.name for one in ALL if one.is_drawing and one.language != "text"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="the examples are for a shell of Unix")
@for_each("example", READ)
def test_what_is_only_read_is_a_line_that_its_program_takes(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    command_lines.read(example.body)


@for_each("example", [one for one in ALL if one.run_by])
def test_an_example_that_another_test_runs_is_run_there(example: Example) -> None:
    test = site.ROOT / str(example.run_by)
    assert test.is_file()
    text = test.read_text(encoding="utf-8")
    if example.page.name not in text:
        assert f'"{example.body.split()[1]}"' in text
