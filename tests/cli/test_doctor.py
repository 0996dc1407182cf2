"""`whatsapp-mcp doctor`."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from whatsapp_mcp import settings
from whatsapp_mcp.cli.doctor import Finding, examination, home, program, run
from whatsapp_mcp.cli.outcome import ExitCode


def findings(folder: Path) -> tuple[int, dict[str, Finding]]:
    answer = subprocess.run(
        [sys.executable, "-m", "whatsapp_mcp", "doctor", "--json"],
        env=os.environ | {"WHATSAPP_MCP_HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    found = [Finding(**item) for item in json.loads(answer.stdout)]
    return answer.returncode, {finding.name: finding for finding in found}


def test_a_sound_installation_passes_every_check_and_is_left_as_it_was(tmp_path: Path):
    code, found = findings(tmp_path / "home")

    assert (code, [finding for finding in found.values() if not finding.ok]) == (0, [])
    assert not (tmp_path / "home").exists()


def test_a_bad_setting_is_named_and_the_other_checks_still_run(tmp_path: Path):
    tmp_path.chmod(0o700)
    (tmp_path / "config.toml").write_text('[policy]\nmode = "reckless"\n')

    code, found = findings(tmp_path)

    assert code == 1
    assert not found["settings"].ok
    assert "line 2" in found["settings"].detail
    assert found["database"].ok
    assert found["client library"].ok
    assert re.search(r"its process is (not )?confined", found["client library"].detail)


def test_a_toolset_that_does_not_exist_is_told_with_those_that_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "config.toml").write_text('[server]\ntoolsets = "core,groop"\n')
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    found = home.settings_in_force(settings.load())

    assert not found.ok
    assert "'groop'" in found.detail
    assert "groups" in (found.action or "")


def test_a_proxy_is_told_without_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text('[network]\nproxy = "socks5://me:hunter2@nas:1080"\n')
    found = home.settings_in_force(settings.load())
    assert found.ok
    assert found.detail.endswith("proxy socks5://nas:1080")


def test_a_home_below_a_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path / "file" / "home"))

    found = home.home(settings.load())

    assert not found.ok
    assert "WHATSAPP_MCP_HOME" in (found.action or "")


def test_a_home_that_is_a_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "home").touch(mode=0o644)
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path / "home"))

    found = home.home(settings.load())

    assert (found.ok, "Not a directory" in found.detail) == (False, True)
    assert "WHATSAPP_MCP_HOME" in (found.action or "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a folder in which nobody can make one")
def test_a_home_that_cannot_be_made_is_told_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("WHATSAPP_MCP_HOME", "/proc/whatsapp/home")
    monkeypatch.setattr(examination, "program_checks", lambda: ())
    monkeypatch.setattr(examination, "home_checks", lambda: (home.home,))

    assert run() == ExitCode.FAILED
    assert "FAIL home folder: /proc cannot be used" in capsys.readouterr().out


def test_a_home_that_may_not_even_be_looked_for_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def refused(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(Path, "exists", refused)

    found = home.home(settings.load())

    assert (found.ok, "Permission denied" in found.detail) == (False, True)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_a_home_that_others_can_read_is_told_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tmp_path.chmod(0o755)
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))

    found = home.home(settings.load())

    assert not found.ok
    assert found.action == f"chmod 700 {tmp_path}"


def test_a_client_library_that_does_not_load_is_told_with_its_own_words(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        program, "_LOAD_LIBRARY", (sys.executable, "-c", "raise ImportError('libmagic is missing')")
    )

    found = program.library()

    assert not found.ok
    assert "libmagic is missing" in found.detail


@pytest.mark.parametrize(("there", "told"), [(None, "extra `media`"), (object(), "sound can be read")])
def test_what_the_media_extra_brings_is_told_and_missing_it_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, there: object, told: str
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: there)  # pyright: ignore[reportUnknownLambdaType]

    found = program.pictures()

    assert found.ok
    assert told in found.detail


def checks(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    """Let the doctor find this."""
    monkeypatch.setattr("whatsapp_mcp.cli.doctor.examination.examine", lambda **_: iter(findings))  # pyright: ignore[reportUnknownLambdaType]


@pytest.mark.parametrize(
    ("found", "last"),
    [
        ([Finding("disk", True, "free")], "All is well."),
        (
            [Finding("disk", True, "free"), Finding("speech", True, "none", "Do.")],
            "All is well, with 1 note.",
        ),
        (
            [Finding("disk", True, "free"), Finding("integrity", False, "no", "Do.", account="work")],
            "1 of 2 failed: integrity [work].",
        ),
    ],
)
def test_the_last_line_says_it_all(
    found: list[Finding], last: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    checks(monkeypatch, *found)

    run()

    assert capsys.readouterr().out.splitlines()[-1] == last


def test_a_finding_is_shown_before_the_next_check_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    shown: list[str] = []

    def second() -> Finding:
        shown.append(capsys.readouterr().out)
        return Finding("second", True, "here")

    monkeypatch.setenv("WHATSAPP_MCP_HOME", "/nonexistent")
    monkeypatch.setattr(
        examination, "program_checks", lambda: (lambda: Finding("first", True, "here"), second)
    )
    monkeypatch.setattr(examination, "home_checks", lambda: ())

    run()

    assert shown == ["ok   first: here\n"]


def test_one_fault_that_several_checks_run_into_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def wrong(name: str) -> Finding:
        return Finding(name, False, "voice.language is wrong", "Correct it.")

    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    monkeypatch.setattr(
        examination, "program_checks", lambda: (lambda: wrong("settings"), lambda: wrong("speech"))
    )
    monkeypatch.setattr(examination, "home_checks", lambda: ())

    assert [found.name for found in examination.examine() if not found.ok] == ["settings"]
