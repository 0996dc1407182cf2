"""Changes to `config.toml` leave what a person wrote as it is, and hold exactly what was to be changed."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.settings.editing import (
    Assignment,
    Change,
    Copy,
    Erasure,
    edited,
)

FILE = """\
# My settings.
timezone = "Europe/Berlin"

[policy]  # what agents may do
mode = "standard"   # "open" is for tests
tools_off = [
    "delete_chat",  # never
    "unlink_device",
]

# The family is asked about.
[[policy.chats]]
group = "Family # 1"
send = "ask"

# Nobody writes to strangers.
[[policy.chats]]
people = "strangers"
send = "deny"

[policy.budgets]
per_day = 50

[server]
port = 9000
"""
POLICY = ("policy",)


def test_a_value_is_replaced_and_its_comment_stays():
    after = edited(FILE, [Assignment(POLICY, "mode", "lockdown")])

    assert 'mode = "lockdown"   # "open" is for tests\n' in after
    assert after.replace('"lockdown"', '"standard"') == FILE


def test_a_value_of_several_lines_is_replaced_whole():
    after = edited(FILE, [Assignment(POLICY, "tools_off", ["send_poll"])])

    assert 'tools_off = ["send_poll"]\n\n# The family' in after


def test_a_new_key_stands_in_its_section_and_before_what_follows():
    after = edited(FILE, [Assignment(POLICY, "audit_text", True)])

    assert "]\naudit_text = true\n\n# The family" in after


def test_a_new_section_stands_at_the_end():
    assert edited(FILE, [Assignment(("media",), "read", False)]).endswith("9000\n\n[media]\nread = false\n")


def test_a_key_without_a_section_stands_before_all_sections():
    assert edited(FILE, [Assignment((), "log_level", "debug")]).index("log_level") < FILE.index("[policy]")


def test_a_key_that_is_taken_out_leaves_the_rest():
    after = edited(FILE, [Assignment(("policy", "budgets"), "per_day", None)])

    assert after == FILE.replace("per_day = 50\n", "")


def test_a_file_that_is_not_there_begins_with_the_change():
    assert edited("", [Assignment(POLICY, "mode", "open")]) == '[policy]\nmode = "open"\n'


@pytest.mark.parametrize(
    "text",
    [
        'policy = {mode = "standard"}\n',
        'policy.mode = "standard"\n',
        '"policy".mode = "open"\n',
        '[policy]\n"mode" = "open"\n',
        "not = toml =\n",
    ],
)
def test_what_cannot_be_changed_is_refused_and_not_damaged(text: str):
    with pytest.raises(InvalidArgument, match="cannot be changed here"):
        edited(text, [Assignment(POLICY, "mode", "lockdown")])


def test_brackets_in_a_text_of_several_lines_are_no_sections():
    text = '[policy]\nnote = """\n[policy]\nmode = "x"\n"""\n'
    after = edited(text, [Assignment(POLICY, "mode", "open")])

    assert tomllib.loads(after)["policy"] == {"note": '[policy]\nmode = "x"\n', "mode": "open"}


_WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
_VALUES = st.one_of(_WORDS, st.booleans(), st.integers(0, 10**6), st.lists(_WORDS, max_size=3))
_CHANGES: st.SearchStrategy[Change] = st.builds(
    Assignment,
    st.sampled_from([(), POLICY, ("policy", "budgets"), ("media",), ("media", "keep")]),
    st.sampled_from(["mode", "per_day", "timezone", "tools_off"]),
    st.one_of(st.none(), _VALUES),
)


@given(st.lists(_CHANGES, max_size=5))
def test_any_changes_mean_what_they_say_and_keep_every_comment(changes: list[Change]):
    after = edited(FILE, changes)
    values: dict[str, Any] = tomllib.loads(after)

    last = {
        (change.section, change.key): change.value for change in changes if isinstance(change, Assignment)
    }
    for (section, key), value in last.items():
        here = values
        for part in section:
            here = here.get(part, {})
        assert here.get(key) == value
    for comment in ("# My settings.", "# what agents may do", "# The family is asked about."):
        assert comment in after


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
    after = edited(OF_WORK, [Copy(("accounts", "work"), ("accounts", "office"))])
    accounts = tomllib.loads(after)["accounts"]
    assert after.startswith(OF_WORK)
    assert accounts["office"] == accounts["work"]
    assert "[accounts.office.policy] # mine\n" in after


def test_a_section_is_taken_out_with_all_below_it_and_what_stands_around_it_stays() -> None:
    after = edited(OF_WORK, [Erasure(("accounts", "work"))])
    assert after == ('# shared\nlog_level = "info"\n# of the club\n[accounts.club.policy]\nmode = "open"\n')
    assert edited(after, [Erasure(("accounts", "club"))]) == '# shared\nlog_level = "info"\n# of the club\n'


@pytest.mark.parametrize(
    "text",
    [
        'accounts.work.policy.mode = "open"\n',
        '[accounts]\nwork = {policy = {mode = "open"}}\n',
        '[accounts."work".policy]\nmode = "open"\n',
    ],
)
@pytest.mark.parametrize(
    "change", [Copy(("accounts", "work"), ("accounts", "a")), Erasure(("accounts", "work"))]
)
def test_a_section_that_is_written_otherwise_is_refused(text: str, change: Copy | Erasure) -> None:
    with pytest.raises(InvalidArgument, match="cannot be changed here"):
        edited(text, [change])
