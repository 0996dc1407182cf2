"""Secrets are found by their kind, and everyday messages hold none."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.everyday import EVERYDAY
from tests.tables import for_each
from whatsapp_mcp.policy.secrets import find_secret, text_of_file

MIXED = "aB3dE5fG7hJ9kL2mN4pQ6rS8tU1vW0xY" * 8
"""What tokens are made of. They are put together here, so that no scanner takes this file for a leak."""
HEX = "0a1b2c3d4e5f6789" * 8
BASE32 = "A2B3C4D5E6F7GHIJ" * 4

TOKENS = [
    "AKIA" + BASE32[:16],
    "ghp_" + MIXED[:36],
    "github_pat_" + MIXED[:82],
    "glpat-" + MIXED[:20],
    "sk-" + MIXED[:48],
    "sk-proj-" + MIXED[:120],
    "sk-ant-api03-" + MIXED[:95],
    "gsk_" + MIXED[:52],
    "hf_" + "aBcDeFgHiJ" * 4,
    "sk_live_" + MIXED[:24],
    "rk_test_" + MIXED[:24],
    "whsec_" + MIXED[:32],
    "xoxb-123456789012-" + MIXED[:24],
    "https://hooks.slack.com/services/" + "T0/B0/" + MIXED[:24],
    "AIza" + MIXED[:35],
    "GOCSPX-" + MIXED[:28],
    "npm_" + MIXED[:36],
    "pypi-Ag" + MIXED[:100],
    "123456789:" + MIXED[:35],
    "M" + MIXED[:23] + "." + MIXED[:6] + "." + MIXED[:27],
    "SG." + MIXED[:22] + "." + MIXED[:43],
    "AC" + HEX[:32],
    HEX[:32] + "-us14",
    "shpat_" + HEX[:32],
    "dop_v1_" + HEX[:64],
    "eyJ" + MIXED[:33] + ".eyJ" + MIXED[:60] + "." + MIXED[:43],
    "AccountKey=" + MIXED[:86] + "==",
    "tskey-auth-" + MIXED[:12] + "-" + MIXED[:32],
    "lin_api_" + MIXED[:40],
]
PRIVATE_KEYS = [
    "-----BEGIN OPENSSH PRIVATE" + " KEY-----",
    "-----BEGIN PRIVATE" + " KEY-----\nMIIEvQ",
    "-----BEGIN PGP PRIVATE" + " KEY BLOCK-----",
    "PuTTY-User-Key-File-3: ssh-ed25519",
    "[Interface]\nPrivateKey = " + MIXED[:43] + "=",
    "AGE-SECRET-KEY-1" + BASE32[:58],
]
PASSWORDS = [
    "password: hunter2",
    "The wifi password is Sommer2024!",
    "pw: geheim",
    "Das Passwort lautet blume77",
    "Passwort: Rosengarten",
    "La contraseña es gato123",
    "senha: 12345678",
    "le mot de passe est chien12",
    "mdp : soleil",
    "La password è gatto99",
    "het wachtwoord is fiets123",
    "hasło: kotek",
    "пароль: котик",
    "şifre: kedi1234",
    "κωδικός: gata12",
    "סיסמה: shalom1",
    "كلمة المرور: salam12",
    "पासवर्ड: namaste1",
    "密码：abc12345",
    "密码是abc12345",
    "パスワードは neko1234",
    "비밀번호: goyangi1",
    "mật khẩu: meo12345",
    "api_key=" + HEX[:20],
    'client_secret: "' + MIXED[:24] + '"',
    "DB_PASSWORD=correcthorse",
    "pass​word: hunter2",
]
CARDS = [
    "4111 1111 1111 1111",
    "4111111111111111",
    "5555-5555-5555-4444",
    "3782 822463 10005",
    "my card 6011000990139424.",
]
IBANS = [
    "DE89 3704 0044 0532 0130 00",
    "DE89370400440532013000",
    "My IBAN is GB82 WEST 1234 5698 7654 32 thanks",
    "FR14 2004 1010 0505 0001 3M02 606",
    "nl91abna0417164300",
    "BE68-5390-0754-7034",
]


@for_each(
    ("text", "kind"),
    [
        *((text, "an access token or key") for text in TOKENS),
        *((text, "a private key") for text in PRIVATE_KEYS),
        *((text, "a password") for text in PASSWORDS),
        *((text, "a card number") for text in CARDS),
        *((text, "an IBAN") for text in IBANS),
        ("the PIN is 4831", "a PIN or security code"),
        ("CVC 123", "a PIN or security code"),
        ("postgres://me:geheim@db.example/x", "an address with a password in it"),
    ],
)
def test_a_secret_is_found_by_its_kind(text: str, kind: str) -> None:
    assert find_secret(text) == kind
    assert find_secret(f"Hi Bob,\n\nhere it is: {text}\nBye") == kind


@for_each("unseen", ["\u2064", "\u034f", "\u180e", "\u3164", "\u061c", "\u202e", "\u200b", "\U000e0041"])
def test_a_secret_is_found_whatever_stands_unseen_in_it(unseen: str) -> None:
    assert find_secret(f"the pass{unseen}word: hunter22") == "a password"


def test_everyday_messages_hold_no_secret() -> None:
    assert len(set(EVERYDAY)) >= 200
    assert {text: kind for text in EVERYDAY if (kind := find_secret(text)) is not None} == {}


@for_each(
    "text",
    [
        "4111 1111 1111 1112",
        "DE89 3704 0044 0532 0130 01",
        "0000 0000 0000 0000",
        "sk-learn and sk-8 parks",
        "-----BEGIN PUBLIC KEY-----",
        "https://user@example.com:8080/path",
    ],
)
def test_what_only_looks_alike_is_none(text: str) -> None:
    assert find_secret(text) is None


@for_each("encoding", ["utf-8", "utf-16", "utf-8-sig", "latin-1"])
def test_text_files_are_searched_in_any_usual_encoding(encoding: str) -> None:
    text = text_of_file("Grüße\npassword: hunter2\n".encode(encoding))
    assert text is not None
    assert find_secret(text) == "a password"


def test_files_that_are_no_text_have_none() -> None:
    assert text_of_file(b"\x89PNG\0password: hunter2") is None


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("the password:", "hunter2"),
        ("4111 1111", "1111 1111"),
        ("41111111", "11111111"),
        ("it is 41111", "111111 11111"),
        ("DE89 3704 0044", "0532 0130 00"),
    ],
)
def test_a_secret_may_begin_in_what_was_sent_before_and_must_not_end_there(before: str, text: str) -> None:
    assert find_secret(text) is None
    assert find_secret(text, before) is not None
    assert find_secret("see you tomorrow", f"{before} {text}") is None


@given(st.text(max_size=300))
def test_the_kind_is_one_of_ours_whatever_the_text(text: str) -> None:
    assert find_secret(text) in {
        None,
        "a private key",
        "an access token or key",
        "an address with a password in it",
        "a password",
        "a PIN or security code",
        "a card number",
        "an IBAN",
    }


@for_each(
    "piece", ["password ", "1234 ", "DE89", "a-", "eyJ", "eyJ-", "-----BEGIN ", "://a:b", "sk-a-", "is 1 "]
)
def test_a_long_text_is_searched_in_linear_time(piece: str) -> None:
    began = time.process_time()
    find_secret(piece * (100_000 // len(piece)))
    assert time.process_time() - began < 5


def test_a_server_that_sends_nothing_does_not_load_the_tables_of_numbers() -> None:
    code = "import sys, whatsapp_mcp.policy; sys.exit('stdnum' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
