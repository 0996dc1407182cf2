"""Secrets in what is sent: keys, tokens, card numbers, IBANs, passwords by the words around them.

Tokens are known by the forms that their issuers publish, most of them by a prefix made for scanners. Numbers
count only with their check digits. What is found is told by its kind and never by its text.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from whatsapp_mcp.policy.cleaning import UNSEEN

SCANNED_BYTES: Final = 1 << 20
"""Files up to this size are searched."""

_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{58}|\b[xyz]prv[1-9A-HJ-NP-Za-km-z]{107}\b"
    r"|(?i:PrivateKey|PresharedKey) ?= ?[A-Za-z0-9+/]{43}="
)
_TOKEN: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{60}"
    r"|gl(?:pat|dt|rt|cbt|ptt|ft|soat|oas|agent|imt)-[\w-]{20}"  # GitLab
    r"|sk-(?:[a-z]{1,10}[0-9]{0,2}-){0,4}[A-Za-z0-9_]{20}|gsk_\w{40}|xai-\w{60}|pplx-\w{40}"  # models
    r"|hf_[A-Za-z]{30}|r8_\w{36}"
    r"|(?:sk|rk)_(?:live|test)_\w{16}|whsec_[\w+/]{24}|sq0(?:csp|atp|idp)-[\w-]{22}"  # Stripe, Square
    r"|xox[abceoprs](?:\.xox[abp])?-[\w-]{10}|xapp-\d-[\w-]{10}"  # Slack
    r"|AIza[\w-]{35}|ya29\.[\w-]{20}|GOCSPX-[\w-]{20}|1//0[\w-]{40}"  # Google
    r"|npm_[A-Za-z0-9]{36}|pypi-Ag[\w-]{50}|rubygems_[0-9a-f]{48}|dckr_pat_[\w-]{20}"
    r"|\d{8,10}:[A-Za-z0-9_-]{35}(?![\w-])"  # Telegram
    r"|[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27}|SG\.[\w-]{22}\.[\w-]{43}"  # Discord, SendGrid
    r"|(?:AC|SK)[0-9a-f]{32}\b|key-[0-9a-f]{32}\b|[0-9a-f]{32}-us\d{1,2}\b"  # Twilio, Mailgun, Mailchimp
    r"|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|do[opr]_v1_[0-9a-f]{64}|dapi[0-9a-f]{32}|sbp_[0-9a-f]{40}"
    r"|ATATT3[\w=-]{50}|ATCTT3[\w=-]{50}|lin_api_\w{40}|(?:ntn|secret)_[A-Za-z0-9]{43}|pat\w{14}\.[0-9a-f]{64}"
    r"|tskey-[a-z]+-\w+-\w{16}|hv[sbr]\.[\w-]{24}|gl(?:c|sa)_[\w+/=]{32}|NRAK-[A-Z0-9]{27}|dp\.[a-z]{2,5}\.\w{40}"
    r"|(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10}"  # JSON Web Token
    r"|AccountKey=[A-Za-z0-9+/]{86}=="  # Azure
    r")"
    r"|https://hooks\.slack\.com/(?:services|workflows)/[\w/]{20}"
    r"|https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/\d+/[\w-]{20}"
)
_URL_PASSWORD: Final = re.compile(r"[a-z]://[^\s/:@]{1,100}:[^\s/@]{3,100}@[A-Za-z0-9[]")
"""A user and a password in front of the host (RFC 3986, 3.2.1)."""
_WORD: Final = (
    r"(?:pass(?:word|wd|code|phrase)|\bpwd|\bpw\b|\bpsk\b|passwor[dt]|kennwort|wachtwoord|lösenord|adgangskode|"
    r"salasana|contraseña|contrasena|\bclave|senha|palavra-passe|mot de passe|\bmdp\b|hasło|\bhesl[oa]|"
    r"jelsz[óo]|parol[aă]|şifre\w{0,24}|parola\w{0,24}|парол[ья]|κωδικ\w{1,24}|סיסמה|סיסמא"
    r"|كلمة (?:المرور|السر|سر)|رمز عبور|پسورد"
    r"|पासवर्ड|পাসওয়ার্ড|mật khẩu|kata sandi|รหัสผ่าน|密码|密碼|口令|パスワード|비밀번호|암호"
    r"|(?:api|secret|access|auth|account|private|client|master|encryption)[ _-]?(?:key|token|secret)"
    r"|secret(?= ?=))"
)
_SAYS: Final = r"[\"'*_`]{0,3}\s{0,3}(?:[:=：＝]|->|=>|は|是|:=)\s{0,3}[\"'*_`]{0,3}"
_IS: Final = r"[^\n.:=]{0,24}?\b(?:is|ist|lautet|es|est|è|é|is:|to|jest|je|это|-|—)\s{1,3}[\"'*_`]{0,3}"
_PASSWORD: Final = re.compile(
    # After a colon nearly everything is a value; after a word, only what no dictionary holds.
    rf"{_WORD}{_SAYS}(?P<value>[^\s\"'`]{{4,128}})|{_WORD}{_IS}(?P<odd>(?=\S{{0,128}}\d)(?=\S{{0,128}}[^\W\d])\S{{5,128}})",
    re.IGNORECASE,
)
_NO_VALUE: Final = re.compile(
    r"https?://.*|[*•x._-]+|\[.*|<.*|\{.*|\$.*|(?:none|null|true|false|string|required|optional|reset|forgot(?:ten)?"
    r"|unknown|changed?|hidden|todo|please|bitte|same|siehe|see|your|dein|mein|ihr|the|wie|nope|later|gleich|vergessen)"
    r"[\W\d]*",
    re.IGNORECASE,
)
"""Masks, placeholders and words with which a sentence goes on behind `password:`."""
_PIN: Final = re.compile(
    r"\b(?:PIN|pin(?:-?code| number)|CVV2?|CVC2?|kartenprüfnummer)\b\D{0,12}?(?:\d{3,6})(?![\d:.,€$£%])"
)
_CARD: Final = re.compile(
    r"(?<![\w+.,/=-])(?:\d{13,19}|\d{8}[ -]\d{8}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}"
    r"|\d{4}([ -])\d{6}\2\d{4,5})(?![\w-]|[.,]\d)"
)
_PIECES_APART: Final = re.compile("[ -]{0,3}")
_CARD_ROOM: Final = 40
"""Characters that a card number takes at most, with what stands between its digits."""
_ISSUED: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[012])\d{13}|3[47]\d{13}|3[0689]\d{12}"
    r"|(?:50|5[6-8]|6\d|35)\d{14,17}|9792\d{12}"
)
"""The first digits and the lengths of issuers (ISO/IEC 7812)."""
_IBAN: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}")
_SHORTEST_IBAN: Final = 15
"""Characters; Norway has the shortest."""


def find_secret(text: str, before: str = "") -> str | None:
    """Return the kind of secret that a text holds, in words of this server; None if none is found.

    Args:
        text: What is to be sent.
        before: What was sent there just before: a secret may begin in it, and must not end there.
    """
    before = f"{_plain(before)} " if before else ""
    text, behind = before + _plain(text), len(before)
    for kind, ends in (
        ("a private key", _ends(_PRIVATE_KEY, text)),
        ("an access token or key", _ends(_TOKEN, text)),
        ("an address with a password in it", _ends(_URL_PASSWORD, text)),
        ("a password", _passwords(text)),
        ("a PIN or security code", _ends(_PIN, text)),
        ("a card number", chain(_cards(text), _cards_over(text, behind))),
        ("an IBAN", _ibans(text)),
    ):
        if any(end > behind for end in ends):
            return kind
    return None


def _ends(pattern: re.Pattern[str], text: str) -> Iterator[int]:
    return (match.end() for match in pattern.finditer(text))


def _plain(text: str) -> str:
    return text if text.isascii() else UNSEEN.sub("", unicodedata.normalize("NFKC", UNSEEN.sub("", text)))


def text_of_file(content: bytes) -> str | None:
    """The text of a file that is one: in an unknown encoding at least its ASCII, which secrets consist of."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    # Texts of one byte a character and UTF-8 have no NUL, binary formats nearly always.
    return None if b"\0" in content else content.decode(errors="replace")


def _passwords(text: str) -> Iterator[int]:
    for match in _PASSWORD.finditer(text):
        if not _NO_VALUE.fullmatch(match["value"] or match["odd"]):
            yield match.end()


def _cards(text: str) -> Iterator[int]:
    return (match.end() for match in _CARD.finditer(text) if _is_card(re.sub(r"\D", "", match[0])))


def _cards_over(text: str, border: int) -> Iterator[int]:
    """The ends of card numbers that begin before a place and end behind it, in whatever pieces."""
    begin = max(0, border - _CARD_ROOM)
    pieces = list(re.finditer(r"\d+", text[begin : border + _CARD_ROOM]))
    for first, one in enumerate(pieces):
        number, position = "", one.start()
        for piece in pieces[first:]:
            if not _PIECES_APART.fullmatch(text, begin + position, begin + piece.start()):
                break
            number, position = number + piece[0], piece.end()
            if begin + one.start() < border < begin + position and _is_card(number):
                yield begin + position


def _is_card(number: str) -> bool:
    from stdnum import luhn  # not loaded by servers that send nothing

    return bool(_ISSUED.fullmatch(number)) and len(set(number)) > 1 and luhn.is_valid(number)


def _ibans(text: str) -> Iterator[int]:
    from stdnum import iban

    for match in _IBAN.finditer(text):
        # Words may follow: only as long as those of its country it is valid.
        joined = re.sub("[ -]", "", match[0])
        for length in range(_SHORTEST_IBAN, len(joined) + 1):
            if iban.is_valid(joined[:length], check_country=False):
                letters = re.finditer("[A-Za-z0-9]", match[0])
                yield match.start() + next(islice(letters, length - 1, None)).end()
                break
