"""A change of `config.toml` is in force at once; one that cannot be used changes nothing and is told."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from tests.tables import for_each
from whatsapp_mcp.settings import CurrentSettings, PolicySettings, Settings, load
from whatsapp_mcp.settings import current as current_module


def write(home: Path, text: str) -> None:
    (home / "config.toml").write_text(text, encoding="utf-8")


READ_ONLY = '[policy]\nmode = "read_only"\n'


def test_a_change_is_in_force_at_once(tmp_path: Path) -> None:
    write(tmp_path, '[policy]\nmode = "open"\n')
    current = CurrentSettings(load(tmp_path))
    assert current.now().policy.mode == "open"
    write(tmp_path, READ_ONLY + f'[media]\nroots = ["{tmp_path.parent / "photos"}"]\n')
    assert (current.now().policy.mode, current.fault) == ("read_only", None)
    assert current.now().media.roots == (tmp_path.parent / "photos",)


def test_a_change_that_leaves_size_and_times_as_they_were_is_seen(tmp_path: Path) -> None:
    current = CurrentSettings(load(tmp_path))
    for level in ("debug", "error"):
        write(tmp_path, f'log_level = "{level}"\n')
        os.utime(tmp_path / "config.toml", (1, 1))
        assert current.now().log_level == level


def test_a_file_that_has_not_changed_for_seconds_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, READ_ONLY)
    current, reads = CurrentSettings(load(tmp_path)), list[Path]()

    def config_text(home: Path) -> str:
        reads.append(home)
        return READ_ONLY

    monkeypatch.setattr(current_module, "config_text", config_text)
    hour = 3600 * 10**9
    monkeypatch.setattr(
        current_module.time, "time_ns", lambda: (tmp_path / "config.toml").stat().st_ctime_ns + hour
    )
    assert [current.now().policy.mode for _ in range(3)] == ["read_only"] * 3
    assert len(reads) == 1
    write(tmp_path, "")
    current.now()
    assert len(reads) == 2


@for_each(
    "text",
    [
        "[policy\n",
        '[policy]\nmode = "reckless"\n',
        "[policy]\nmoed = 1\n",
        "",
        "  \n",
        None,
        "[media]\nroots = ['/']",
    ],
)
def test_a_file_that_cannot_be_used_leaves_in_force_what_was_before(
    tmp_path: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, READ_ONLY)
    current = CurrentSettings(load(tmp_path))
    current.now()
    if text is None:
        (tmp_path / "config.toml").unlink()
    else:
        write(tmp_path, text)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert current.now().policy.mode == "read_only"
    assert current.fault is not None
    assert str(tmp_path / "config.toml") in current.fault
    assert "previous settings stay in force" in current.fault
    assert [record.getMessage() for record in caplog.records] == [f"settings: {current.fault}"]
    write(tmp_path, READ_ONLY.replace("read_only", "open"))
    assert (current.now().policy.mode, current.fault) == ("open", None)
    caplog.clear()


def test_a_file_that_cannot_be_read_leaves_in_force_what_was_before(tmp_path: Path) -> None:
    write(tmp_path, READ_ONLY)
    current = CurrentSettings(load(tmp_path))
    current.now()
    (tmp_path / "config.toml").unlink()
    (tmp_path / "config.toml").mkdir()
    assert current.now().policy.mode == "read_only"
    assert "cannot be read" in (current.fault or "")
    (tmp_path / "config.toml").rmdir()
    write(tmp_path, READ_ONLY)
    assert (current.now().policy.mode, current.fault) == ("read_only", None)


def test_without_a_file_the_settings_are_those_of_the_start(tmp_path: Path) -> None:
    current = CurrentSettings(Settings(home=tmp_path, policy=PolicySettings(mode="lockdown")))
    assert (current.now().policy.mode, current.fault) == ("lockdown", None)
    write(tmp_path, READ_ONLY)
    assert current.now().policy.mode == "read_only"


def test_a_change_between_the_start_and_the_first_look_is_in_force(tmp_path: Path) -> None:
    write(tmp_path, '[policy]\nmode = "open"\n')
    loaded = load(tmp_path)
    write(tmp_path, READ_ONLY)
    assert CurrentSettings(loaded).now().policy.mode == "read_only"


def test_what_is_wrong_in_another_account_is_told_in_the_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "")
    own, other = (CurrentSettings(load(tmp_path), account) for account in ("private", "work"))
    write(tmp_path, '[accounts.private.policy]\nmode = "reckless"\n')
    own.now()
    other.now()
    assert "accounts.private.policy.mode" in (own.fault or "")
    assert other.fault is not None
    assert "private" not in other.fault
    assert caplog.text.count("accounts.private.policy.mode") == 2
