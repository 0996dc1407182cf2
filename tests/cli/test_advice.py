"""A person at a shell is told shell commands."""

import re

import pytest

from tests.tables import for_each
from whatsapp_mcp import errors
from whatsapp_mcp.cli.outcome import ExitCode, advice, exit_code, print_error
from whatsapp_mcp.errors import Candidate, WhatsAppError
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.server.calls import spec_of
from whatsapp_mcp.server.tools import toolsets

TOOLS = [spec_of(function).name for function in toolsets.load_tools(toolsets.ALL_TOOLSETS)]
ERRORS = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, WhatsAppError) and each is not WhatsAppError
]
STATES = [
    (state.value, action)
    for state in ConnectionState
    for action in (state.traits.action, state.traits.action_until)
    if action is not None
]


def tools_in(text: str) -> set[str]:
    """The tools that a text names outside of its shell commands."""
    return set(TOOLS) & set(re.findall(r"\w+", re.sub(r"`[^`]*`", "", text)))


@for_each("kind", ERRORS)
def test_what_every_error_recommends_by_default_is_for_a_shell(kind: type[WhatsAppError]):
    assert tools_in(advice(kind.code, kind.default_action)) == set()


@for_each(("kind", "action"), STATES)
def test_what_every_state_recommends_is_for_a_shell(kind: str, action: str):
    assert tools_in(advice(kind, action)) == set()


@for_each("tool", TOOLS)
def test_no_tool_is_recommended_at_a_shell(tool: str):
    assert tools_in(advice("BUSY", f"Look first, then call {tool}.")) == set()


def test_advice_that_needs_no_tool_stays_as_it_is():
    assert advice("TOO_LONG", "Shorten it or split it.") == "Shorten it or split it."
    assert advice("BUSY", "Run `whatsapp-mcp archive check`.") == "Run `whatsapp-mcp archive check`."


def test_a_setting_and_a_path_are_named_at_a_shell():
    for action in (
        "Set server.public_url and server.oauth in config.toml.",
        "Take `whatsapp` out of /home/a_b/Claude/claude_desktop_config.json by hand, if it is there.",
        "Set encryption.keyring, encryption.key_file or encryption.key_command in config.toml.",
    ):
        assert advice("INVALID_ARGUMENT", action) == action


def test_what_an_agent_would_tell_the_user_is_told():
    assert advice("offline", "Tell the user to look at the disk.") == "Look at the disk."


def test_a_recommended_command_names_the_account():
    told = advice(ConnectionState.UNLINKED, "Link a phone with link_device.", "work")

    assert told == "Run `whatsapp-mcp link --account work`."
    assert advice("BUSY", "Run `whatsapp-mcp doctor`.", "work") == "Run `whatsapp-mcp doctor`."


@for_each("kind", ERRORS)
def test_only_what_was_asked_wrongly_is_a_usage_error(kind: type[WhatsAppError]):
    expected = ExitCode.USAGE if kind is errors.InvalidArgument else ExitCode.FAILED

    assert exit_code(kind("It went wrong.")) is expected


def test_an_error_is_one_line_with_what_may_have_been_meant(capsys: pytest.CaptureFixture[str]):
    print_error(
        errors.AmbiguousChat(
            "2 chats fit 'ana'.",
            candidates=[Candidate("Ana", "+15550000001"), Candidate("Anabel", "+15550000002")],
        )
    )

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "Error: 2 chats fit 'ana': “Ana” (+15550000001); “Anabel” (+15550000002). "
        "Give the number or jid of the one you mean, or its whole name.\n"
    )
