"""Every observed fault is one call, and a test shows its effect on the real client."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.tables import for_each
from whatsapp_simulator.fault_injection import FaultInjection

TESTS = Path(__file__).parents[1]

ROWS = (
    # The fault, the call, and the test that proves it.
    ("TCP cut, server up", "await wa.cut()", "simulator/test_faults.py::lost_message"),
    ("connections refused", "await wa.refuse()", "simulator/test_faults.py::after_a_cut"),
    ("proxy answers 502", "wa.proxy_status(502)", "simulator/test_faults.py::first_connect"),
    ("half-open connection", "wa.go_silent()", "device/test_slow_faults.py::half_open"),
    ("only pings unanswered", "wa.ignore_pings()", "device/test_slow_faults.py::unanswered_pings"),
    ("CONNECT unanswered", "wa.swallow_connect()", "device/test_slow_faults.py::swallowed_reconnect"),
    ("websocket unanswered", "wa.swallow_websocket()", "device/test_slow_faults.py::websocket"),
    ("Noise handshake unanswered", "wa.swallow_noise()", "device/test_slow_faults.py::handshake"),
    (
        "stream error, closed",
        "await wa.stream_error(503)",
        "simulator/test_faults.py::survives_a_stream_error",
    ),
    (
        "stream error, left open",
        "await wa.stream_error(503, close=False)",
        "simulator/test_faults.py::leave_the_connection_open",
    ),
    (
        "unknown stream error",
        "await wa.stream_error(777)",
        "simulator/test_faults.py::survives_a_stream_error",
    ),
    ("session replaced", "await wa.replaced()", "simulator/test_faults.py::replaced_client"),
    ("device removed", "await wa.device_removed()", "simulator/test_faults.py::logged_out_in_any_way"),
    ("failure that logs out", "wa.failure(401)", "simulator/test_faults.py::logged_out_in_any_way"),
    ("temporary ban", "wa.failure(402)", "simulator/test_faults.py::do_not_log_out"),
    ("client outdated", "wa.failure(405)", "simulator/test_faults.py::do_not_log_out"),
    ("other failure", "wa.failure(409)", "simulator/test_faults.py::do_not_log_out"),
    ("failure of unknown code", "wa.failure(418)", "simulator/test_faults.py::library_does_not_know"),
    ("failure that is retried", "wa.failure(503)", "simulator/test_faults.py::server_in_trouble"),
    (
        "failure closed at once",
        "wa.failure(402, at_once=True)",
        "simulator/test_faults.py::do_not_log_out",
    ),
    ("wrong Noise certificate", "wa.bad_certificate()", "simulator/test_faults.py::first_connect"),
    ("websocket refused", "wa.websocket_status(403)", "simulator/test_faults.py::first_connect"),
    ("QR codes run out", "wa.offer_codes(1)", "simulator/test_faults.py::run_out"),
    ("cut while a QR code is shown", "await wa.cut()", "simulator/test_faults.py::offered_again"),
    ("wrong ADV HMAC", "wa.wrong_adv()", "simulator/test_faults.py::wrong_adv_secret"),
    ("four linked devices", "wa.fill_linked_devices()", "device/test_link.py::four_linked_devices"),
    ("passkey requested", "wa.ask_for_passkey()", "device/test_link.py::asks_for_a_passkey"),
    ("ack never comes", "wa.no_acks()", "simulator/test_faults.py::never_answered"),
    ("cut between send and ack", "wa.cut_before_ack()", "simulator/test_faults.py::cut_before_its_ack"),
    ("ack with an error", "wa.ack_error(479)", "simulator/test_faults.py::refused_message"),
    ("query never answered", 'wa.ignore_queries("w:g2")', "simulator/test_faults.py::never_answered"),
    (
        "query refused",
        'wa.refuse_queries(406, "encrypt")',
        "device/test_faults.py::whatsapp_gives_no_keys",
    ),
    ("media gone", "wa.media.expire(message, 410)", "simulator/test_media.py::expired_file"),
    ("media throttled", "wa.media_status(429)", "simulator/test_media.py::throttling"),
    ("media corrupted", "wa.corrupt_media()", "simulator/test_media.py::corrupted_file"),
    ("receipt of unknown type", "wa.unknown_receipt()", "simulator/test_faults.py::library_does_not_know"),
    ("unknown chat state", "wa.unknown_chatstate()", "simulator/test_faults.py::library_does_not_know"),
    ("undecryptable", "wa.corrupt(1)", "simulator/test_retries.py::corrupted_message"),
    ("unavailable", "wa.withhold(1)", "simulator/test_retries.py::withheld"),
    ("stanza lost", "wa.lose(1)", "simulator/test_faults.py::lost_message"),
    ("stanza delayed", "wa.delay(1, 0.2)", "simulator/test_faults.py::delayed"),
    ("stanza doubled", "wa.duplicate(1)", "simulator/test_faults.py::duplicated"),
    ("stanzas in another order", "wa.reorder(3)", "simulator/test_faults.py::reordered"),
    ("slow network, partial reads", "wa.slow(0.02, piece=7)", "simulator/test_faults.py::small_pieces"),
    ("wrong clock", "wa.skew_clock(-86400)", "simulator/test_faults.py::skewed_clock"),
    ("servers restarted", "await wa.restart()", "simulator/test_faults.py::restart_of_the_servers"),
    ("stanza of unknown kind", "wa.unknown_stanza()", "simulator/test_faults.py::malformed_or_unknown"),
    ("malformed stanza", "wa.malformed_stanza()", "simulator/test_faults.py::malformed_or_unknown"),
    ("malformed frame", "wa.garble()", "simulator/test_faults.py::garbled_frame"),
)
_NO_FAULTS = {"recover", "send", "send_raw"}


def _method(call: str) -> str:
    parsed = ast.parse(call.removeprefix("await "), mode="eval").body
    assert isinstance(parsed, ast.Call)
    assert isinstance(parsed.func, ast.Attribute)
    return parsed.func.attr


def test_every_fault_has_its_row() -> None:
    called = {_method(call) for _, call, _ in ROWS}
    offered = {name for name in vars(FaultInjection) if not name.startswith("_")}
    assert offered - _NO_FAULTS == called - {"expire"}


@for_each("row, call, proof", ROWS)
def test_every_row_is_one_call_and_is_proved(row: str, call: str, proof: str) -> None:
    path, _, name = proof.partition("::")
    source = (TESTS / path).read_text(encoding="utf-8")
    tests = re.findall(
        r"^async def test_\w*" + name + r"\w*\(.*?(?=^(?:@|async def |def |class )|\Z)",
        source,
        re.DOTALL | re.MULTILINE,
    )
    assert any(f".{_method(call)}(" in test for test in tests), row
