"""`whatsapp-mcp status`: what a person and a program are told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from tests.cli.fakes import NOON, status_of
from whatsapp_mcp.cli.connection.status import to_json, to_text
from whatsapp_mcp.models import AddressBookState, ConnectionState, ConnectionStatus, FilesStatus

REPLACED = ConnectionStatus(
    ConnectionState.REPLACED,
    NOON,
    "work",
    reason="Another client took over this session.",
    action="Close the other client, then call reconnect.",
    generation=7,
    leader_pid=4711,
)


def test_a_person_is_told_state_reason_and_a_shell_command_before_all_else():
    first, second, *rows = to_text(REPLACED, "/home/ann/wa").splitlines()

    assert first == "replaced: Another client took over this session."
    assert second == (
        "What to do: Close the other client of the session, then run `whatsapp-mcp reconnect --account work`."
    )
    assert rows[0] == "account         work"
    assert "server process  4711" in rows
    assert rows[-1] == "files           /home/ann/wa"
    assert [row for row in rows if row != row.rstrip()] == []


def test_a_person_is_not_told_the_number_of_the_client():
    assert "generation" not in to_text(REPLACED, "/home")


def test_a_program_is_told_every_field_and_the_same_advice():
    told = json.loads(to_json(REPLACED, "/home"))

    assert (told["state"], told["generation"], told["home"]) == ("replaced", 7, "/home")
    assert told["action"].endswith("`whatsapp-mcp reconnect --account work`.")
    assert datetime.fromisoformat(told["since"]) == NOON


def test_nothing_is_to_be_done_when_all_is_well():
    online = replace(status_of(ConnectionState.ONLINE, "+15550001111"), name="Ada")

    assert "What to do" not in to_text(online, "/home")


def test_settings_that_are_not_in_force_are_told():
    broken = replace(REPLACED, settings_error="policy.mode: no such mode (config.toml, line 2).")

    assert "settings        policy.mode: no such mode (config.toml, line 2)." in to_text(broken, "/home")
    assert json.loads(to_json(broken, "/home"))["settings_error"] == broken.settings_error


def test_a_missing_address_book_is_told_with_what_helps():
    online = status_of(ConnectionState.ONLINE, "+15550001111")

    assert "address book" not in to_text(online, "/home")
    missing = to_text(replace(online, address_book=AddressBookState.MISSING), "/home")
    assert "changing any contact on the phone" in missing


def test_groups_that_have_fallen_silent_are_told_with_where_help_is():
    online = status_of(ConnectionState.ONLINE, "+15550001111")

    assert "groups" not in to_text(online, "/home")
    silent = replace(online, silent_groups=4)
    assert "4 groups had some" in to_text(silent, "/home")
    assert "docs/troubleshooting.md" in to_text(silent, "/home")
    assert json.loads(to_json(silent, "/home"))["silent_groups"] == 4


def test_where_audio_is_sent_is_told():
    away = "The audio of your messages is sent to api.example to be transcribed."

    assert f"speech          {away}" in to_text(REPLACED, "/home", away)
    assert json.loads(to_json(REPLACED, "/home", away))["speech"] == away
    assert "speech" not in to_text(REPLACED, "/home")


def test_what_becomes_of_files_is_told_to_people_and_programs():
    online = status_of(ConnectionState.ONLINE, "+15550001111")
    files = FilesStatus(12, 3, 1, 214_000_000, "WhatsApp is overloaded.", 96_000_000)
    shown = to_text(replace(online, files=files), "/home").splitlines()

    assert "files of messages  12 to fetch, 3 to read, 1 failed; paused: WhatsApp is overloaded." in shown
    assert "kept files         214 MB" in shown
    assert "memory of reading  96 MB" in shown
    told = json.loads(to_json(replace(online, files=files), "/home"))["files"]
    assert (told["to_fetch"], told["paused"], told["reader_bytes"]) == (12, files.paused, 96_000_000)


def test_of_files_nothing_is_told_when_none_waits():
    online = status_of(ConnectionState.ONLINE, "+15550001111")

    assert "files of messages" not in to_text(replace(online, files=FilesStatus()), "/home")
