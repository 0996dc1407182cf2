"""`[accounts.NAME.<section>]`: what one account has other than the rest of the home."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.tables import for_each
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.settings import CurrentSettings, Settings, check_own_text, load
from whatsapp_mcp.settings.loading import OWN_TEXT


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.startswith("WHATSAPP_MCP_"):
            monkeypatch.delenv(variable)


def load_text(home: Path, text: str) -> Settings:
    (home / "config.toml").write_text(text, encoding="utf-8")
    return load(home)


TWO = """
[policy]
mode = "lockdown"
audit_text = true
[policy.budgets]
per_hour = 50
per_day = 70
[accounts.work.policy]
mode = "read_only"
[accounts.work.policy.budgets]
per_day = 5
"""


def test_an_account_overrides_the_shared_settings_key_by_key(tmp_path: Path) -> None:
    work = load_text(tmp_path, TWO).for_account("work").policy
    assert (work.mode, work.audit_text, work.budgets.per_hour, work.budgets.per_day) == (
        "read_only",
        True,
        50,
        5,
    )


def test_the_other_accounts_keep_the_shared_settings(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, TWO)
    assert loaded.for_account("private") is loaded
    assert (loaded.policy.mode, loaded.policy.budgets.per_day) == ("lockdown", 70)


def test_a_list_of_an_account_replaces_the_shared_one(tmp_path: Path) -> None:
    shared = '[[policy.chats]]\npeople = "strangers"\nsend = "deny"\n'
    own = '[[accounts.work.policy.chats]]\nkind = "group"\nread = "ask"\n'
    loaded = load_text(tmp_path, shared + own)
    assert [rule.subject for rule in loaded.for_account("work").policy.chats] == ["kind"]
    assert [rule.subject for rule in loaded.policy.chats] == ["people"]


def test_the_key_may_be_of_one_account(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, '[accounts.work.encryption]\nkey_file = "/keys/work"\n')
    sources = [loaded.account_folder(name).vault.source for name in ("private", "work")]
    assert sources[0] is None
    assert sources[1] is not None
    assert sources[1].file == Path("/keys/work")


def test_a_variable_overrides_what_the_file_says_of_an_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHATSAPP_MCP_MEDIA__MAX_MEGABYTES", "7")
    loaded = load_text(tmp_path, "[accounts.work.media]\nmax_megabytes = 9\nfree_megabytes = 3\n")
    media = loaded.for_account("work").media
    assert (media.max_megabytes, media.free_megabytes) == (7, 3)


@pytest.mark.parametrize("variable", ["WHATSAPP_MCP_ACCOUNTS", "WHATSAPP_MCP_ACCOUNTS__WORK"])
def test_the_sections_of_accounts_cannot_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "open")
    with pytest.raises(InvalidArgument, match=variable):
        load(tmp_path)


@for_each(
    ("text", "said"),
    [
        ("[accounts.work.policy]\nmoed = 1\n", "accounts.work.policy.moed: unknown setting (*, line 2)"),
        (
            '[policy]\nmode = "open"\n[accounts.work.policy]\nmode = "wild"\n',
            "accounts.work.policy.mode: * (*, line 4)",
        ),
        (
            '[policy]\nmode = "wild"\n[accounts.work.policy]\nmode = "open"\n',
            "policy.mode: * (*, line 2)",
        ),
        ("[accounts.work.server]\nport = 1\n", "accounts.work.server: it is no section of an account*line 1"),
        ('[accounts.work]\ntimezone = "UTC"\n', "accounts.work.timezone: it is no section*line 2"),
        ("[accounts]\nwork = 3\n", "accounts.work: it is a section, not a value (*, line 2)"),
        ("accounts = 3\n", "accounts: it is a section, not a value (*, line 1)"),
        ("[accounts.-work.policy]\n", "accounts.-work: it is not a name of an account (*, line 1)"),
        ("[accounts.work.media]\nroots = ['/']\n", "accounts.work.media.roots: / contains*line 2"),
        (
            '[agent]\ncommand = ["a"]\nchats = {self = "command"}\n[accounts.work.agent]\ncommand = []\n',
            "accounts.work.agent: *command is not set*line 4",
        ),
    ],
)
def test_what_is_wrong_in_an_accounts_section_is_told_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        load_text(tmp_path, text)
    begin, *rest = said.split("*")
    assert caught.value.message.startswith(begin)
    for part in rest:
        assert part in caught.value.message


def test_a_change_of_an_accounts_section_is_in_force_at_once_and_for_it_alone(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, TWO)
    work, private = CurrentSettings(loaded, "work"), CurrentSettings(loaded, "private")
    assert work.now().policy.mode == "read_only"
    load_text(tmp_path, TWO.replace('"read_only"', '"open"'))
    assert (work.now().policy.mode, private.now().policy.mode) == ("open", "lockdown")


def test_before_the_file_is_read_the_settings_of_the_start_are_those_of_the_account(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, TWO)
    (tmp_path / "config.toml").unlink()
    assert CurrentSettings(loaded, "work").now().policy.mode == "read_only"


def test_the_own_text_of_an_account_is_laid_over_everything_else_and_followed(tmp_path: Path) -> None:
    own = [""]
    current = CurrentSettings(load_text(tmp_path, TWO), "work", lambda: own[0])
    assert current.now().policy.budgets.per_day == 5

    own[0] = '[policy.budgets]\nper_day = 3\n[network]\nproxy = "socks5://192.0.2.1:1080"\n'
    now = current.now()
    assert (now.policy.mode, now.policy.budgets.per_hour, now.policy.budgets.per_day) == ("read_only", 50, 3)
    assert now.network.proxy_url == "socks5://192.0.2.1:1080"

    own[0] = ""
    assert current.now().network.proxy_url is None


@for_each(
    ("text", "said"),
    [
        ("[policy]\nmoed = 1\n", "policy.moed: unknown setting (the settings of work, line 2)."),
        ("[policy\n", "the settings of work is not valid TOML"),
        ('[agent]\ncommand = ["/bin/sh"]\n', "agent: the settings of an account have account, media,"),
        ('[encryption]\nkey_command = "x"\n', "encryption: the settings of an account have"),
        ("[server]\nport = 1\n", "server: the settings of an account have"),
        ('[media]\nroots = ["/srv"]\n', "media.roots: folders of a machine are named in its config.toml"),
        ("media = 1\n", "media: it is a section, not a value"),
        ("[media]\nfree_megabytes = 0\n", "media.free_megabytes: what the disk of a machine holds"),
        ("[media]\ntotal_megabytes = 9\n", "media.total_megabytes: what the disk of a machine holds"),
        ("[media.keep]\ntotal_megabytes = 9\n", "media.keep.total_megabytes: what the disk of a machine"),
        *(
            (
                f'[network]\nproxy = "http://{host}:80"\n',
                "network.proxy: a proxy at an address of the machine",
            )
            for host in (
                "127.0.0.1",
                "169.254.169.254",
                "[::1]",
                "[::ffff:127.0.0.1]",
                "[fe80::1]",
                "0.0.0.0",
                "2130706433",
                "127.1",
                "localhost",
                "db.localhost.",
                "192.0.0.192",
                "[fd20:ce::254]",
                "[64:ff9b::a9fe:a9fe]",
                "[2002:a9fe:a9fe::]",
            )
        ),
    ],
)
def test_an_own_text_that_cannot_be_used_is_refused_and_leaves_in_force_what_was_before(
    tmp_path: Path, text: str, said: str
) -> None:
    own = ["[retention]\ndays = 3\n"]
    current = CurrentSettings(load_text(tmp_path, TWO), "work", lambda: own[0])
    current.now()
    own[0] = text
    assert current.now().retention.days == 3
    assert said in (current.fault or "")
    with pytest.raises(InvalidArgument, match=re.escape(said)):
        check_own_text(tmp_path, "work", text)


def test_an_account_whose_own_text_was_never_understood_has_no_settings_at_all(tmp_path: Path) -> None:
    current = CurrentSettings(load_text(tmp_path, TWO), "work", lambda: "[network]\nproxi = 1\n")
    for _ in range(2):
        with pytest.raises(InvalidArgument, match="proxi"):
            current.now()


def test_no_text_of_an_account_names_what_is_on_the_machine_that_runs_it() -> None:
    sections = {name: Settings.model_fields[name].annotation for name in OWN_TEXT - {"webhooks"}}
    paths = {
        f"{name}.{key}"
        for name, section in sections.items()
        for key, field in getattr(section, "model_fields", {}).items()
        if "Path" in str(field.annotation) or "command" in key
    }
    assert paths == {"media.roots"}
