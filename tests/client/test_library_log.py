"""Which lines of the library's log end the client."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.client.failures import KeysFailure
from whatsapp_mcp.storage import KeysAddress

IN_DATABASE = KeysFailure(KeysAddress("postgres://wa:secret@db.example/wa?port=5432&sslmode=disable"))
BEHIND_SOCKET = KeysFailure(KeysAddress("postgres://wa:secret@/wa?host=%2Ftmp&port=5433"))
IN_FILE = KeysFailure(KeysAddress("client.db"))
SENDER = "33546528431163@lid"
DECRYPTING = "Error decrypting message {id} from " + SENDER + ": failed to decrypt normal message: {error}"
DATABASE_ERRORS = (
    f"failed to load session with {SENDER}: dial tcp 127.0.0.1:5432: connect: connection refused",
    f"failed to store session with {SENDER}: database or disk is full",
    'failed to save decrypted event to buffer: pq: could not extend file "base/1/2": No space left (53100)',
    "failed to commit transaction: driver: bad connection",
)
NETWORK_ERRORS = (
    "dial tcp 127.0.0.1:5432: connect: connection refused",
    "read tcp 127.0.0.1:40312->127.0.0.1:5432: read: connection reset by peer",
    "write tcp [::1]:40312->[::1]:5432: write: broken pipe",
    "dial tcp: lookup db.example on 127.0.0.53:53: no such host",
    "dial tcp: lookup db.example: i/o timeout",
)
"""What the library passes on when the server of its database is gone."""
OTHER_ERRORS = (
    "no session found to decrypt message",
    "received message with old counter (current: 7, received: 3)",
    "plaintext doesn't have expected padding",
)
LINES_WITH_IDS = (
    "Error decrypting message {id} from " + SENDER + " in 12@g.us: failed to decrypt group message: no key",
    "Ignoring message {id} from " + SENDER + ": old counter",
    "Unavailable message {id} from " + SENDER + ' (type: "view_once")',
    "Unhandled encrypted message (type {id}) from " + SENDER,
    "Handler for {id} failed",
    "Not sending any more retry receipts for {id}",
    "Failed to send receipt for {id}: websocket not connected",
    "Failed to send acknowledgement for message {id}: websocket not connected",
    "Message decryption for {id} panicked: index out of range",
    *(DECRYPTING.replace("{error}", error) for error in OTHER_ERRORS),
)
"""What the library logs of a message while its database works (whatsmeow, `message.go`)."""


@for_each("error", DATABASE_ERRORS)
def test_a_message_that_no_key_could_be_read_or_stored_for_ends_the_client(error: str) -> None:
    for failure in (IN_DATABASE, IN_FILE):
        assert failure.is_told_by(DECRYPTING.format(id="3A72", error=error))


@for_each("error", DATABASE_ERRORS[:2])
def test_a_message_that_could_not_be_encrypted_for_a_device_ends_the_client(error: str) -> None:
    for failure in (IN_DATABASE, IN_FILE):
        assert failure.is_told_by(f"Failed to encrypt 3A72 for {SENDER}: cipher encryption failed: {error}")


def test_a_device_without_a_session_ends_no_client() -> None:
    line = (
        "Failed to encrypt 3A72 for 1:2@lid: can't encrypt message for device: no signal session established"
    )
    assert not IN_DATABASE.is_told_by(line)


@for_each("error", NETWORK_ERRORS)
def test_a_database_that_cannot_be_reached_ends_the_client(error: str) -> None:
    assert IN_DATABASE.is_told_by(f"failed to prefetch sessions: {error}")
    assert not IN_FILE.is_told_by(f"failed to prefetch sessions: {error}")


def test_a_database_behind_a_socket_that_is_gone_ends_the_client() -> None:
    line = "failed to prefetch sessions: dial unix /tmp/.s.PGSQL.5433: connect: no such file or directory"
    assert BEHIND_SOCKET.is_told_by(line)


@pytest.mark.parametrize(
    "line",
    [
        "Error reading from websocket: read tcp 10.0.0.2:4031->1.1.1.1:443: read: connection reset by peer",
        "failed to dial whatsapp web websocket: dial tcp 157.240.1.1:443: connect: connection refused",
        "failed to dial whatsapp web websocket: dial tcp: lookup web.whatsapp.com: no such host",
    ],
)
def test_a_whatsapp_that_cannot_be_reached_ends_no_client(line: str) -> None:
    assert not IN_DATABASE.is_told_by(line)


@for_each(
    "line",
    [
        'Failed to get LID for 1@lid: pq: password authentication failed for user "wa" (28P01)',
        "Failed to store message secret key for outgoing message 3A72: database is locked",
        "Failed to encrypt 3A72 for 1@lid: can't store session: pq: role is fenced (42501)",
        "Failed to save push name of 1@lid in device store: sql: database is closed",
    ],
)
def test_any_other_line_that_tells_of_a_failed_database_ends_the_client(line: str) -> None:
    assert IN_DATABASE.is_told_by(line)


@for_each("line", LINES_WITH_IDS)
def test_an_id_that_looks_like_a_failed_database_ends_no_client(line: str) -> None:
    for error in (
        *DATABASE_ERRORS,
        *NETWORK_ERRORS,
        "pq: terminating connection (57P01)",
        "sql: database is closed",
    ):
        for around in ("{}", "x: {}", f"x from {SENDER}: failed to decrypt normal message: {{}}"):
            assert not IN_DATABASE.is_told_by(line.format(id=around.format(error)))


@settings(max_examples=50)
@given(st.text(), st.sampled_from(LINES_WITH_IDS))
def test_no_id_ends_a_client(written: str, line: str) -> None:
    assert not IN_DATABASE.is_told_by(line.format(id=written))


@pytest.mark.parametrize(
    "line",
    [
        "Failed to handle retry receipt for 3EB0 from 1@lid: couldn't find message 3A: sql: nothing",
        "Unrecognized chat presence state a: sql: b",
        "Error decrypting message 3A from 1@lid: failed to decrypt normal message: failed to get chain: x",
    ],
)
def test_nothing_that_a_sender_chooses_ends_a_client_whose_keys_are_in_a_file(line: str) -> None:
    assert not IN_FILE.is_told_by(line)
