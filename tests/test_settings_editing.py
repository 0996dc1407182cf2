"""Changes to `config.toml` leave what a person wrote as it is, and hold exactly what was to be changed."""

from __future__ import annotations

import tomllib

import pytest

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.settings import section_as, with_section_copied, without_section

WORK = ("accounts", "work")
OF_WORK = """# shared
log_level = "info"
[accounts.work.policy] # mine
mode = "read_only"  # careful
# of the club
[accounts.club.policy]
mode = "open"
[[accounts.work.policy.chats]]
kind = "group"
read = "ask"
[[accounts.work.policy.chats]]
kind = "status"
read = "deny"
"""


def test_a_section_is_copied_with_all_below_it() -> None:
    after = with_section_copied(OF_WORK, WORK, ("accounts", "office"))
    accounts = tomllib.loads(after)["accounts"]
    assert after.startswith(OF_WORK)
    assert accounts["office"] == accounts["work"]
    assert after.count("# careful") == 2


def test_a_section_is_taken_out_with_all_below_it_and_what_stands_around_it_stays() -> None:
    after = without_section(OF_WORK, WORK)
    assert after == ('# shared\nlog_level = "info"\n# of the club\n[accounts.club.policy]\nmode = "open"\n')
    assert without_section(after, ("accounts", "club")) == '# shared\nlog_level = "info"\n# of the club\n'


def test_a_section_becomes_a_text_of_its_own_and_a_section_again() -> None:
    own = section_as(OF_WORK, WORK, ())
    accounts = tomllib.loads(OF_WORK)["accounts"]
    assert tomllib.loads(own) == accounts["work"]
    assert "# careful" in own
    assert tomllib.loads(section_as(own, (), ("accounts", "there")))["accounts"] == {
        "there": accounts["work"]
    }


@pytest.mark.parametrize(
    "text",
    [
        'accounts.work.policy.mode = "open"\n# c\n[server]\nport = 1 # d\n',
        '[accounts."work".policy]\nmode = "open"\n# c\n[server]\nport = 1 # d\n',
        '[accounts.work]\npolicy.mode = "open"\n# c\n[server]\nport = 1 # d\n',
    ],
)
def test_a_section_may_be_written_in_any_way(text: str) -> None:
    copied, without = with_section_copied(text, WORK, ("accounts", "a")), without_section(text, WORK)
    assert tomllib.loads(copied)["accounts"] == {name: {"policy": {"mode": "open"}} for name in ("work", "a")}
    assert tomllib.loads(without).get("accounts", {}) == {}
    for after in (copied, without):
        assert "# c\n[server]\nport = 1 # d\n" in after


def test_what_cannot_be_changed_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="cannot be changed here"):
        with_section_copied('[accounts]\nwork = {policy = {mode = "open"}}\n', WORK, ("accounts", "a"))
    with pytest.raises(InvalidArgument, match="cannot be changed here"):
        without_section("not = toml =\n", WORK)
    with pytest.raises(InvalidArgument, match="cannot be changed here"):
        section_as("not = toml =\n", WORK, ())
