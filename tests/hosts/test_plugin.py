"""The plugin is valid to Claude Code itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from release.checks import load
from release.offers import plugin_files, skills
from tests.hosts.claude_code import SCRIPT
from tests.hosts.node import NODE

pytestmark = pytest.mark.hosts

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """The folder of the plugin."""
    folder = tmp_path / "plugin"
    for name, content in plugin_files(load(ROOT), skills()).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def validated(plugin: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """What `claude plugin validate` says, as strictly as the directory of plugins."""
    return subprocess.run(
        [NODE, SCRIPT, "plugin", "validate", "--profile", "directory", plugin],
        env={**os.environ, "HOME": str(home), "DISABLE_AUTOUPDATER": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_claude_code_finds_the_server_and_every_skill(plugin: Path, tmp_path: Path) -> None:
    done = validated(plugin, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mcpServers: whatsapp stdio uvx" in done.stdout
    assert [name for name in skills() if f"skills: whatsapp:{name}" not in done.stdout] == []


def test_claude_code_refuses_a_plugin_without_a_name(plugin: Path, tmp_path: Path) -> None:
    (plugin / ".claude-plugin" / "plugin.json").write_text("{}", encoding="utf-8")
    assert validated(plugin, tmp_path).returncode != 0
