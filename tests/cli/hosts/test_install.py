"""`whatsapp-mcp install`: what it changes, what it asks, and where it prints instead."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.tables import for_each
from whatsapp_mcp.cli.app import app
from whatsapp_mcp.cli.hosts import Host, Launch, Machine, System, entry_of, found, known_hosts, to_install
from whatsapp_mcp.cli.hosts.editing import put_in
from whatsapp_mcp.cli.hosts.table import CLAUDE_CODE, CLAUDE_DESKTOP
from whatsapp_mcp.errors import Busy, Unsupported

THEIRS = {"command": "uv", "args": ["--directory", "/src/whatsapp-mcp/whatsapp-mcp-server", "run", "main.py"]}
REPEATING = """#!/bin/sh
pwd >> "$HOME/calls"
for word in "$@"; do printf '<%s>' "$word" >> "$HOME/calls"; done
echo >> "$HOME/calls"
exit "$(cat "$HOME/code" 2>/dev/null || echo 0)"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home folder; no host is installed, and no program of one is on the PATH."""
    for variable in ("XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(variable, raising=False)
    home = tmp_path / "ann"
    (home / "bin").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PATH", f"{home / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return home


@pytest.fixture
def desktop(home: Path) -> Path:
    """The file of Claude Desktop, which has another server."""
    file = home / ".config" / "Claude" / "claude_desktop_config.json"
    file.parent.mkdir(parents=True)
    other = '"other": {"command": "x", "env": {"KEY": "secret"}}'
    file.write_text(f'{{\n    "mcpServers": {{\n        {other}\n    }}\n}}\n')
    return file


def run(*arguments: str, answer: str | None = None) -> Result:
    done = CliRunner().invoke(app, arguments, input=answer)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def program(home: Path, name: str) -> Path:
    """A host's command line that writes down how it is called; the file that it writes into."""
    script = home / "bin" / name
    script.write_text(REPEATING)
    script.chmod(0o755)
    return home / "calls"


def our_entry() -> dict[str, object]:
    return entry_of(CLAUDE_DESKTOP, Launch.here(None), "whatsapp")


def test_a_file_is_changed_after_the_difference_was_shown_and_restored_by_undo(desktop: Path) -> None:
    former = desktop.read_bytes()
    desktop.chmod(0o640)

    done = run("install", "claude-desktop", "--yes")

    assert done.exit_code == 0
    assert '+        "whatsapp": {' in done.stdout
    assert "secret" not in done.stdout
    servers = json.loads(desktop.read_text())["mcpServers"]
    assert servers["whatsapp"] == our_entry()
    assert servers["other"] == {"command": "x", "env": {"KEY": "secret"}}
    backup = desktop.with_name("claude_desktop_config.json.before-whatsapp")
    assert backup.read_bytes() == former
    assert {desktop.stat().st_mode & 0o777, backup.stat().st_mode & 0o777} == {0o640}

    again = run("install", "claude-desktop", "--yes")
    assert (again.exit_code, again.stdout) == (0, "")
    assert "already" in again.stderr

    assert run("install", "claude-desktop", "--undo", "--yes").exit_code == 0
    assert desktop.read_bytes() == former
    assert not backup.exists()
    assert "no server named whatsapp" in run("install", "claude-desktop", "--undo", "--yes").stderr


def test_nothing_is_written_where_nobody_can_be_asked(desktop: Path) -> None:
    former = desktop.read_bytes()

    done = run("install", "claude-desktop")

    assert done.exit_code == 2
    assert "standard input is no terminal. Run it in a terminal, or give --yes." in done.stderr
    assert (desktop.read_bytes(), [each.name for each in desktop.parent.iterdir()]) == (
        former,
        ["claude_desktop_config.json"],
    )


def test_nothing_is_written_after_a_no(desktop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    former = desktop.read_bytes()

    def refuse(*_: object, **__: object) -> None:
        raise typer.Abort

    monkeypatch.setattr("whatsapp_mcp.cli.hosts.commands.agreed", refuse)

    assert run("install", "claude-desktop").exit_code == 1
    assert desktop.read_bytes() == former


def test_another_account_is_a_server_of_its_own(desktop: Path) -> None:
    run("install", "claude-desktop", "--yes")
    run("install", "claude-desktop", "--yes", "--account", "work")

    servers = json.loads(desktop.read_text())["mcpServers"]
    assert servers["whatsapp-work"]["args"][-2:] == ["--account", "work"]
    assert run("install", "claude-desktop", "--undo", "--yes").exit_code == 0
    assert set(json.loads(desktop.read_text())["mcpServers"]) == {"other", "whatsapp-work"}


def test_another_program_of_this_name_is_not_touched(desktop: Path) -> None:
    desktop.write_text(json.dumps({"mcpServers": {"whatsapp": THEIRS}}))
    former = desktop.read_bytes()

    for arguments in (["--yes"], ["--undo", "--yes"]):
        done = run("install", "claude-desktop", *arguments)
        assert done.exit_code == 2
        assert f"in {desktop} that is another program, `uv`. Remove or rename" in done.stderr
        assert desktop.read_bytes() == former


def test_what_a_person_added_to_our_entry_stays_when_the_program_moved(desktop: Path) -> None:
    entry = {"command": "/old/whatsapp-mcp", "args": [], "env": {"A": "b"}, "autoApprove": ["list_chats"]}
    desktop.write_text(json.dumps({"mcpServers": {"whatsapp": entry}}))

    assert run("install", "claude-desktop", "--yes").exit_code == 0

    servers = json.loads(desktop.read_text())["mcpServers"]
    assert servers["whatsapp"] == {"autoApprove": ["list_chats"], **our_entry()}
    assert not desktop.with_name("claude_desktop_config.json.before-whatsapp").exists()


def test_the_difference_within_one_line_shows_nothing_of_others(desktop: Path) -> None:
    desktop.write_text('{"mcpServers": {"other": {"env": {"KEY": "secret"}}}}')

    done = run("install", "claude-desktop", "--yes")

    assert done.exit_code == 0
    assert '"whatsapp": {' in done.stdout
    assert "secret" not in done.stdout
    assert "secret" not in run("install", "claude-desktop", "--undo", "--yes").stdout


@pytest.mark.parametrize("content", ["{", "[]", '{"mcpServers": []}', "\xff"])
def test_a_file_that_cannot_be_kept_as_it_is_stays_and_the_entry_is_printed(
    desktop: Path, content: str
) -> None:
    desktop.write_bytes(content.encode("latin-1"))

    done = run("install", "claude-desktop", "--yes")

    assert done.exit_code == 1
    assert json.loads(done.stdout)["mcpServers"]["whatsapp"] == our_entry()
    assert str(desktop) in done.stderr
    assert desktop.read_bytes() == content.encode("latin-1")


def test_a_symbolic_link_and_a_hard_link_stay_what_they_are(desktop: Path) -> None:
    elsewhere = desktop.with_name("dotfiles.json")
    for link in (os.symlink, os.link):
        desktop.replace(elsewhere)
        link(elsewhere, desktop)
        former = elsewhere.read_bytes()

        done = run("install", "claude-desktop", "--yes")

        assert done.exit_code == 1
        assert '"whatsapp"' in done.stdout
        assert elsewhere.read_bytes() == former
        desktop.unlink()
        elsewhere.replace(desktop)


def test_a_host_that_was_never_started_is_named(home: Path) -> None:
    done = run("install", "claude-desktop", "--yes")

    assert done.exit_code == 1
    assert "Claude Desktop is not installed, or was never started. Start it once" in done.stderr
    assert not (home / ".config").exists()


def test_a_host_is_set_up_by_its_own_command_in_the_home_folder(home: Path) -> None:
    calls = program(home, "claude")

    done = run("install", "claude-code", "--yes")

    launch = Launch.here(None)
    ((variable, folder),) = launch.env
    folder_of_call, words = calls.read_text().splitlines()
    assert done.exit_code == 0, done.stderr
    assert folder_of_call == str(home)
    assert words == (
        f"<mcp><add><--scope><user><--env><{variable}={folder}><--transport><stdio><whatsapp><-->"
        + "".join(f"<{word}>" for word in (launch.command, *launch.args))
    )
    assert done.stdout.startswith("$ claude mcp add --scope user")


def test_an_entry_of_a_host_with_commands_is_replaced_and_removed_by_them(home: Path) -> None:
    calls = program(home, "claude")
    configuration = home / ".claude.json"
    configuration.write_text(json.dumps({"mcpServers": {"whatsapp": {"command": "/old/whatsapp-mcp"}}}))

    assert run("install", "claude-code", "--yes").exit_code == 0
    assert "<mcp><remove><--scope><user><whatsapp>" in calls.read_text().splitlines()
    entry = entry_of(CLAUDE_CODE, Launch.here(None), "whatsapp")
    configuration.write_text(json.dumps({"mcpServers": {"whatsapp": entry}}))
    calls.unlink()
    assert "already" in run("install", "claude-code", "--yes").stderr
    assert not calls.exists()
    assert run("install", "claude-code", "--undo", "--yes").exit_code == 0
    assert calls.read_text().splitlines()[1] == "<mcp><remove><--scope><user><whatsapp>"


def test_a_command_that_fails_is_told_by_name(home: Path) -> None:
    program(home, "claude")
    (home / "code").write_text("3")

    done = run("install", "claude-code", "--yes")

    assert done.exit_code == 1
    assert "failed. Run it by hand to see the cause." in done.stderr


def test_an_entry_that_was_removed_and_not_added_again_is_told(home: Path) -> None:
    program(home, "claude").with_name("bin").joinpath("claude").write_text('#!/bin/sh\n[ "$2" = remove ]\n')
    (home / ".claude.json").write_text('{"mcpServers": {"whatsapp": {"command": "/old/whatsapp-mcp"}}}')

    done = run("install", "claude-code", "--yes")

    assert done.exit_code == 1
    assert "`claude mcp add --scope user" in done.stderr
    assert "failed. The former entry is already removed. Run it by hand" in done.stderr


def test_a_large_configuration_is_read_whole(home: Path) -> None:
    program(home, "claude")
    servers = {"mcpServers": {"whatsapp": {"command": "/old/whatsapp-mcp"}}}
    (home / ".claude.json").write_text(json.dumps({"history": "x" * 10_100_000} | servers))

    assert [each.name for each in found(Machine.here())] == ["whatsapp"]
    assert run("install", "claude-code", "--undo", "--yes").exit_code == 0


@pytest.mark.parametrize("option", ["--undo", "--yes"])
def test_a_configuration_that_cannot_be_read_is_not_one_without_our_entry(home: Path, option: str) -> None:
    calls = program(home, "claude")
    (home / ".claude.json").write_text('{"mcpServers": ')

    done = run("install", "claude-code", option, "--yes")

    assert done.exit_code == 1
    assert ".claude.json" in done.stderr
    assert not calls.exists()


@for_each("character", '&|<>^%!"')
def test_a_script_of_windows_gets_no_word_that_its_shell_would_take_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, character: str
) -> None:
    machine = Machine(System.WINDOWS, str(tmp_path))
    launch = Launch(f"C:\\A{character}B\\whatsapp-mcp.exe")
    monkeypatch.setattr(Machine, "program", lambda *_: "C:\\npm\\claude.CMD")  # pyright: ignore[reportUnknownLambdaType]

    with pytest.raises(Unsupported, match="is a script"):
        to_install(CLAUDE_CODE, launch, "whatsapp", machine)

    escaped = character.replace('"', '\\"')
    assert f'"C:\\A{escaped}B\\whatsapp-mcp.exe"' in machine.line([launch.command])
    monkeypatch.setattr(Machine, "program", lambda *_: "C:\\claude.exe")  # pyright: ignore[reportUnknownLambdaType]
    assert to_install(CLAUDE_CODE, launch, "whatsapp", machine) is not None


def test_a_command_that_cannot_be_started_is_told_with_what_shows_why(home: Path) -> None:
    broken = home / "bin" / "claude"
    broken.write_text("#!/nonexistent/node\n")
    broken.chmod(0o755)

    done = run("install", "claude-code", "--yes")

    assert done.exit_code == 1
    assert "Run `claude --version` to see why, then that line by hand." in done.stderr
    assert "$ claude mcp add" in done.stdout


@for_each("command", ["install", "client-config"])
@for_each(
    ("typed", "told"),
    [
        (["clade-code"], "Did you mean claude-code?"),
        (["claude"], "Did you mean claude-desktop or claude-code"),
        (["Generic"], "Did you mean generic?"),
        (["notepad"], "is not one of 'claude-desktop', "),
        ([], "Missing argument 'HOST'. One of claude-desktop, "),
    ],
)
def test_a_name_that_is_wrong_or_missing_is_answered_with_the_right_ones(
    home: Path, command: str, typed: list[str], told: str
) -> None:
    done = run(command, *typed)

    assert done.exit_code == 2
    assert told in " ".join(done.stderr.split())


def test_the_name_of_another_program_is_cleaned_and_without_its_folder(desktop: Path) -> None:
    entry = {"command": "/home/ann/\x1b[2Jgame\u202e", "args": []}
    desktop.write_text(json.dumps({"mcpServers": {"whatsapp": entry}}))

    done = run("install", "claude-desktop", "--yes")

    assert "another program, `" in done.stderr
    assert not {"\x1b", "\u202e"} & set(done.stderr)
    assert "/home/ann" not in done.stderr.replace(str(desktop), "")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "No phone is linked as account default yet. Next: `whatsapp-mcp link`"),
        (
            ["--account", "xyz"],
            "No phone is linked as account xyz yet. Next: `whatsapp-mcp link --account xyz`",
        ),
    ],
)
def test_while_no_phone_is_linked_the_next_step_is_told(desktop: Path, options: list[str], told: str) -> None:
    for _ in ("set up", "set up already"):
        done = run("install", "claude-desktop", "--yes", *options)
        assert (done.exit_code, done.stderr.splitlines()[-1]) == (0, told)


@for_each("host", [host for host in known_hosts() if not host.is_automatic and host.entry])
def test_what_is_set_up_by_hand_is_printed(home: Path, host: Host) -> None:
    done = run("install", host.name, "--yes")

    assert done.exit_code == 1
    assert "whatsapp" in done.stdout
    assert "is set up by hand" in done.stderr


def test_a_file_of_a_host_that_is_set_up_by_its_own_command_alone_is_not_changed(home: Path) -> None:
    done = run("install", "claude-code", "--yes")

    assert done.exit_code == 1
    assert done.stdout.startswith("claude mcp add")
    assert not (home / ".claude.json").exists()


def test_a_host_that_needs_a_public_url_is_answered_with_the_settings(home: Path) -> None:
    done = run("client-config", "claude-desktop", "--http")

    assert done.exit_code == 2
    assert "Set server.public_url and server.oauth in config.toml." in done.stderr


@for_each("host", known_hosts())
def test_what_cannot_be_undone_here_is_answered_with_how_to_undo_it_by_hand(home: Path, host: Host) -> None:
    done = run("install", host.name, "--undo", "--yes")

    assert done.exit_code == 1
    assert "Take `whatsapp` out of " in done.stderr
    assert " by hand, if it is there." in done.stderr
    assert "run this again" not in done.stderr
    assert "printed" not in done.stderr


def test_an_entry_is_taken_out_of_a_file_with_comments(desktop: Path) -> None:
    former = '{\n  // mine\n  "a": 1, // and this\n}'
    desktop.write_text(former)

    done = run("install", "claude-desktop", "--yes")
    assert (done.exit_code, "mine" in done.stdout) == (0, False)
    assert '"whatsapp"' in desktop.read_text()
    assert run("install", "claude-desktop", "--undo", "--yes").exit_code == 0

    assert desktop.read_text() == former


def test_a_file_that_changes_while_a_person_is_asked_is_not_overwritten(desktop: Path) -> None:
    change = put_in(CLAUDE_DESKTOP, desktop, "whatsapp", our_entry())
    assert change is not None
    desktop.write_text("{}")

    with pytest.raises(Busy, match="was changed by another program"):
        change.apply()
    assert desktop.read_text() == "{}"


def test_what_hosts_have_of_ours_is_found_also_in_a_file_with_comments(desktop: Path) -> None:
    ours = json.dumps({"command": sys.executable, "args": ["-P", "-m", "whatsapp_mcp"]})
    servers = f'"whatsapp": {ours}, "theirs": {json.dumps(THEIRS)},'
    desktop.write_text(f'{{// "x": {{}}\n"url": "http://a//b", /* , */ "mcpServers": {{{servers}}},}}')

    [ours_there] = found(Machine.here())

    assert (ours_there.host, ours_there.path, ours_there.name) == (CLAUDE_DESKTOP, desktop, "whatsapp")
    assert ours_there.launch.command == sys.executable


@for_each(
    ("launch", "is_ours"),
    [
        (Launch("C:\\Users\\ann\\.local\\bin\\whatsapp-mcp.exe"), True),
        (Launch("/usr/bin/uvx", ("--from", "mcp-server-whatsapp[ocr] @ file:///src", "whatsapp-mcp")), True),
        (Launch("uvx", ("mcp-server-whatsapp",)), True),
        (Launch("/usr/bin/python3", ("-P", "-m", "whatsapp_mcp", "--account", "work")), True),
        (Launch("uv", tuple(THEIRS["args"])), False),
        (Launch("uvx", ("mcp-server-whatsapp-web",)), False),
        (Launch("python", ("whatsapp_mcp",)), False),
        (Launch("uvx", ("mcp-server-whatsapp@0.1.0",)), True),
        (Launch("uvx", ("--python", "3.13", "mcp_server_whatsapp[voice]==0.1.0", "serve")), True),
        (Launch("uvx.exe", ("--from=mcp-server-whatsapp>=0.1", "whatsapp-mcp")), True),
        (Launch("/usr/bin/uv", ("tool", "run", "mcp-server-whatsapp@latest")), True),
        (Launch("pipx", ("run", "--spec", "mcp-server-whatsapp==0.1.0", "whatsapp-mcp")), True),
        (Launch("C:\\Python313\\python.exe", ("-X", "utf8", "-m", "whatsapp_mcp")), True),
        (Launch("npx", ("-y", "@modelcontextprotocol/server-filesystem", "/src/whatsapp-mcp")), False),
        (Launch("uvx", ("whatsapp-mcp",)), False),
        (Launch("uvx", ("--with", "mcp-server-whatsapp", "another")), False),
        (Launch("uvx", ("another", "mcp-server-whatsapp")), False),
        (Launch("uv", ("pip", "install", "mcp-server-whatsapp")), False),
        (Launch("npx", ("mcp-server-whatsapp",)), False),
        (Launch("python3", ("main.py", "-m", "whatsapp_mcp")), False),
        (Launch("node", ("-m", "whatsapp_mcp")), False),
    ],
)
def test_a_program_is_told_from_others_of_a_similar_name(launch: Launch, is_ours: bool) -> None:
    assert launch.is_ours() is is_ours
