"""The webhooks of one account: in a section of its own, and in a text of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tables import for_each
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.features.webhooks.settings import secret_variable
from whatsapp_mcp.settings import check_own_text, load

_HOOK = """[[webhooks]]
name = "crm"
url = "https://hooks.example.org/a"
secrets = ["env:WHATSAPP_HOOK_WORK_1"]
"""


def test_webhooks_may_be_of_one_account(tmp_path: Path) -> None:
    text = _HOOK.replace("[[webhooks]]", "[[accounts.work.webhooks]]")
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    loaded = load(tmp_path)
    assert [len(each.webhooks) for each in (loaded, loaded.for_account("work"))] == [0, 1]


@for_each(
    ("text", "said"),
    [
        (
            _HOOK + "private_network = true\n",
            "webhooks.private_network: the network of a machine is opened in",
        ),
        (
            _HOOK.replace("WORK_1", "WORK_7_1"),
            "webhooks.secrets: secrets that this account may name: env:WHATSAPP",
        ),
        (_HOOK.replace("env:WHATSAPP_HOOK_WORK_1", "keyring:bob"), "webhooks.secrets: secrets that this"),
    ],
)
def test_an_own_text_names_nothing_of_the_machine(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(said)):
        check_own_text(tmp_path, "work", text)


def test_an_account_names_secrets_of_its_own_webhooks(tmp_path: Path) -> None:
    check_own_text(tmp_path, "work", _HOOK)
    check_own_text(tmp_path, "acme-7", _HOOK.replace("WORK_1", "ACME__7_NEW"))


def test_a_secret_is_of_one_account_alone() -> None:
    names = ("a", "a-b", "a_b", "a-b-c", "a_b-c", "a-b_c", "a_b_c", "ab", "b")
    begin = [secret_variable(name) for name in names]
    secrets = {f"{each}{word}" for each in begin for word in ("B", "C", "1")}
    assert len(secrets) == 3 * len(names)
    assert [secret_variable(name) for name in ("a--b", "a-_b", "a-", "A", "a.b")] == [None] * 5
