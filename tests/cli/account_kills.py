"""Kills a change of an account at every step that touches a file, and sees what the next command finds.

A process of its own, that forks: `python -m tests.cli.account_kills rename|remove FOLDER`. Prints how many
steps there were.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from whatsapp_mcp.cli import account_changes as changes
from whatsapp_mcp.server.transports import Tokens
from whatsapp_mcp.settings import load

CONFIG = '[accounts.work.policy]\nmode = "read_only"\n[accounts.club.policy]\nmode = "lockdown"\n'
_TOUCHES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate", "shutil.rmtree"}
_KILLED = 9
_LIMIT = 200


def make(home: Path) -> None:
    """Two accounts with settings of their own, and a token for each."""
    for name in ("work", "club"):
        folder = load(home).account_folder(name)
        folder.create()
        (folder.path / "archive.db").write_text(name)
    (home / "config.toml").write_text(CONFIG)
    Tokens(home).create("one", ["read"], ["work"])
    Tokens(home).create("other", ["read"], ["club"])


def killed_at(home: Path, act: str, step: int) -> bool:
    """Do it in a fork that ends before the given step; whether there was such a step."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == _KILLED
    seen = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        writes = (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if event in _TOUCHES or writes:
            seen += 1
            if seen == step:
                os._exit(_KILLED)

    loaded = load(home)
    sys.addaudithook(count)
    if act == "rename":
        changes.rename(loaded, "work", "office")
    else:
        changes.remove(loaded, "work")
    os._exit(0)


def check(home: Path, act: str) -> None:
    """See that the account is whole under one name, or gone, and that the other is as it was."""
    # Before anything is completed: wherever the account is, it has its settings, and no token has more.
    for name in set(load(home).accounts()) & {"work", "office"}:
        assert load(home).for_account(name).policy.mode == "read_only", name
    changes.finish(load(home))
    loaded = load(home)
    names = loaded.accounts()
    assert changes.finish(loaded) == []
    assert sorted(path.name for path in (home / "accounts").iterdir() if path.is_dir()) == names
    assert not (home / "accounts" / ".renaming").exists()
    assert (
        names in (["club", "office"], ["club", "work"])
        if act == "rename"
        else names
        in (
            ["club"],
            ["club", "work"],
        )
    )
    left = [name for name in names if name != "club"]
    assert loaded.accounts_with_settings == {"club", *left}
    assert loaded.for_account("club").policy.mode == "lockdown"
    for name in names:
        assert (loaded.account_folder(name).path / "archive.db").read_text() == {"club": "club"}.get(
            name, "work"
        )
    one, other = Tokens(home).all()
    assert other.accounts == {"club"}
    # A removal that did not begin may have taken the token's account: it never reaches more.
    assert one.accounts in ({*left}, frozenset() if act == "remove" else {*left})


def main(act: str, base: Path) -> None:
    """Kill it at each step in turn."""
    template = base / "template"
    make(template)
    for step in range(1, _LIMIT):
        home = base / str(step)
        shutil.copytree(template, home)
        was_killed = killed_at(home, act, step)
        check(home, act)
        if not was_killed:
            assert "work" not in load(home).accounts()
            sys.stdout.write(f"{step - 1}\n")
            return
        shutil.rmtree(home)
    raise AssertionError("it never ended")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
