"""One-time codes in incoming texts: found by the words around them, in many languages, and masked.

Whoever sends a code does not hide it: it stands in a form that people and phones recognise. So a code is what
looks like one (`_CANDIDATE`) beside words that announce one. The words come in two strengths:

| | reaches | example |
|---|---|---|
| strong: nothing but a one-time code is called so | 300 characters | OTP, verification code, 验证码 |
| weak: many things are called so | 40 characters | code, PIN, код |

What no word announces may be told by its shape (`code_signals.py`). Dates, times, prices and phone numbers
have forms of their own and stay. The doubtful is masked: a number too many is one question to the person, a
number too few may be an account.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice, takewhile
from typing import Final, Literal

from whatsapp_mcp.policy.cleaning import UNSEEN
from whatsapp_mcp.policy.code_signals import ENTERED, FAR, NEAR, SECRET, folded, has_shape, is_alone

MASK: Final = "[one-time code hidden]"
"""Text shown in place of a code."""

_STRONG_REACH: Final = 300
_WEAK_REACH: Final = 40
_ADJACENT: Final = 14
"""Characters between a word and what it announces directly: room for ` für Sie ist: `."""
_NEXT_TO: Final = 5
"""Characters between a weak word and a number that may be a year: farther away it mostly is one."""
_PHONE_DIGITS: Final = 9
"""Fewest digits of a phone number; codes have eight at most."""

_SHORT: Final = 500
"""Characters of a text whose codes are kept, of so many texts:"""
_KEPT: Final = 1024
_SHORTEST_LETTERS: Final = 5
"""Fewest capitals of a code without digits."""
_POSSIBLE: Final = re.compile(r"[\dA-Z](?:(?<=\d)|(?<=[A-Z])[A-Z]{4}|(?<=[A-Z])[A-Z]{2}-[A-Z]{3})")
"""A digit, five capitals or three and three: every code has one of these. It is looked for in every text that
is shown."""
_STEMS: Final = re.compile(
    r"[ck]oo?d|[ck]ód|otp|2fa|otc|\btan|mtan|pin|pass|kenn|lösenord|clave|contraseña|senha|has[łl]o|hesl|jelsz|tunnus|kertak"
    r"|şifre|parol|wachtw|log.?in|sign.?in|loggen|verif|confirm|код|парол|пин|шифр|авториз|κωδικ|رمز|كود|کد|קוד"
    r"|कोड|কোড|કોડ|కోడ్|ओटीपी|ওটিপি|ઓટીપી|ఓటీపీ|ஓடிபி|குறியீடு|\bmã\b|รหัส|[码碼]|口令|一次性|コード|番号|パスワード|ワンタイム"
    r"|코드|번호|일회용",
    re.IGNORECASE,
)
"""A part of every word below: few texts hold one, and the others need not be read for words."""
_STRONG: Final = re.compile(
    # In capitals alone: `tan` is a word as well.
    r"\b(?:OTP|(?-i:m?TAN|S-?PIN|2FA|OTC))\b"
    r"|one.?time.{0,12}(?:code|pass|pin)|single.use.{0,12}code|\bpasscodes?\b"
    r"|(?:(?:verif|confirm|auth).{0,24}|(?:security|secure|log.?in|sign.?in|access|activation|reset|recovery|backup|"
    r"pairing|safety|sms|two.factor|temporary).{0,12})(?:code|pin|password)\b"
    r"|code .{0,24}(?:verif|confirm|authenti|log.?in|sign.?in)|(?:is|as) your .{0,40}code"
    # German, Dutch, the Nordic languages
    r"|(?:bestätigungs|verifizierungs|sicherheits|freigabe|anmelde|zugangs|prüf|aktivierungs|einmal|login|sms)"
    r"-?(?:code|kennwort|passwort|pin)"
    r"|(?:verificatie|beveiligings|inlog|bevestigings|toegangs|eenmalige ).{0,4}(?:code|wachtwoord)"
    r"|(?:verifierings|engångs|säkerhets|bekräftelse|verifiserings|bekreftelses|sikkerheds|sikkerhets|engangs|"
    r"bekræftelses).?(?:kode?n?|lösenord|passord)|vahvistuskoodi|kertakäyttöi|tunnusluku|varmennuskoodi"
    # The Romance languages
    r"|c[óo]digo.{0,8}(?:verifica|seguran|seguridad|acces|acesso|confirma|autentica|activa|ativa|de un solo)"
    r"|(?:clave|contraseña).{0,6}(?:din[áa]mica|temporal|de un solo uso|[úu]nica)"
    r"|senha.{0,6}(?:tempor|[úu]nica)"
    r"|code.{0,6}(?:v[ée]rification|s[ée]curit[ée]|confirmation|acc[èe]s|validation|connexion|usage unique)"
    r"|mot de passe.{0,6}(?:usage unique|temporaire)"
    r"|codice.{0,6}(?:verifica|sicurezza|conferma|accesso|autorizza|temporaneo|monouso)|password monouso"
    r"|cod(?:ul)?.{0,6}(?:verificare|confirmare|securitate|acces|autentificare)|codi de verificaci"
    # The Slavic languages, Hungarian, Turkish, Greek
    r"|(?:kod\w{0,3}.{0,4}(?:weryfik|autoryz|potwierdz|dost[ęe]pu|jednoraz|sms|bezpiecze))|has[łl]o jednoraz"
    r"|(?:ověřovací|potvrzovací|overovací|bezpečnostní|přístupový|jednor[áa]zov\w{1,24}).{0,4}(?:k[óo]d|hesl)"
    r"|(?:верифікац|верифика|подтвержд|підтвердж|потвърж|потврд|одноразов|безопасност|авторизац|входа).{0,12}"
    r"(?:код|парол)|код\w{0,2}.{0,4}(?:подтвержд|підтвердж|потвърж|провер|перевірки|доступ|вход|безопас|авториз|"
    r"верифи|активац|регистрац|из смс|sms)"
    r"|(?:ellenőrző|megerősítő|hitelesítő|biztonsági|egyszer használatos).{0,4}(?:kód|jelsz)"
    r"|(?:doğrulama|onay|güvenlik|giriş|aktivasyon|tek kullanımlık).{0,6}(?:kod|şifre|parola)"
    r"|κωδικ.{0,4}(?:επαλήθευσ|επιβεβαίωσ|ασφαλ|μιας χρήσ|πρόσβασ)"
    # Arabic, Persian, Hebrew
    r"|(?:رمز|كود|الرمز|کد).{0,4}(?:التحقق|تحقق|التأكيد|تأكيد|الأمان|الدخول|التفعيل|تفعيل|تایید|تأیید|ورود|یکبار)"
    r"|رمز یکبار|رمز پویا|קוד.{0,3}(?:אימות|גישה|אבטחה|כניסה|חד)"
    # The languages of India and South-East Asia
    r"|ओटीपी|ওটিপি|ઓટીપી|ఓటీపీ|ஓடிபி|(?:सत्यापन|वेरिफिकेशन|पुष्टि).{0,4}कोड|যাচাই.{0,6}কোড"
    r"|mã.{0,4}(?:xác (?:minh|thực|nhận)|bảo mật|đăng nhập|otp)"
    r"|kode?.{0,4}(?:verifikasi|pengesahan|keamanan|otp|masuk)"
    r"|รหัส.{0,4}(?:ยืนยัน|otp|ผ่านครั้งเดียว|เข้าสู่ระบบ)|รหัสผ่าน"
    # Chinese, Japanese, Korean
    r"|验证码|驗證碼|校验码|校驗碼|认证码|動態(?:密碼|碼)|动态(?:密码|码|口令)|确认码|確認碼|安全码|安全碼|登录码|一次性"
    r"|認証(?:コード|番号)|確認(?:コード|番号)|セキュリティ.?コード|ワンタイム|ログイン.?コード|暗証番号"
    r"|인증.?(?:번호|코드)|확인.?코드|보안.?코드|일회용",
    re.IGNORECASE | re.DOTALL,
)
_WEAK: Final = re.compile(
    r"\bcodes?\b|\w{3,24}codes?\b"
    r"|\b\w{0,24}[kc][oó]d(?:e|en|et|u|y|ul|i|a|em|unuz|un)?\b|\bpin\b|\bc[óo]digo\b|\bcodice\b"
    r"|\bkoodi\w{0,24}|\bkód\w{0,24}|\bkodun\w{0,24}|κωδικ|\bкод(?:а|у|ом|і|ът)?\b|\bпарол\w{0,24}|\bпин\b|\bшифра\b"
    r"|\b(?:password|passwort|kennwort|contraseña|clave|senha|mot de passe)\b"
    r"|\b(?:hasło|hesl\w|şifre\w{0,24}|parola\w{0,24}|wachtwoord)\b"
    r"|رمز|كود|\bکد\b|\b[בהלשומ]?קוד\b|कोड|কোড|કોડ|కోడ్|குறியீடு|\bmã\b|รหัส"
    r"|コード|パスワード|密码|密碼|口令|代码|코드|비밀번호"
    r"|\b(?:log ?in|sign ?in|verify|to confirm|авторизац\w{1,24}|einloggen)\b",
    re.IGNORECASE,
)
_OTHER_CODES: Final = re.compile(
    r"(?:zip|post(?:al|a|[a-z]{0,24}leit)?|area|country|dial(?:ing)?|error|status|exit|promo\w{0,24}|discount|coupon|voucher|gift|"
    r"qr|bar|dress|source|quell|fehler|gutschein|rabatt|aktions|colou?r|farb|sort|swift|bank|tax|morse|building|"
    r"indirim|kampanya|ülke|hata|product|produkt|model|item|order|booking)[ -]?(?:codes?|kode?|kodu)\b"
    r"|\b(?:codes?|kod|kode)[ -](?:review|base|posta(?:l|ux)|promo\w{0,24}|barres?|red|freeze|"
    r"(?:pocztow|rabatow|kreskow)\w{1,24}|pos|erreur|couleur|pays|etik\w{0,24}|of conduct|b[łl][ęe]du)\b"
    r"|\bc[óo]digo (?:postal|de barras|promocional|de pa[íi]s|de [áa]rea|civil|de descuento)"
    r"|\bcodice (?:fiscale|postale|sconto|a barre|civile)|\bcod po[șs]tal|почтовый код|код города|код страны"
    r"|код товара|(?:クーポン|バー|QR|ドレス)コード|쿠폰.?코드|우편.?코드|邮政编码|优惠代码",
    re.IGNORECASE,
)
_CANDIDATE: Final = re.compile(
    # No digit, letter or `+` in front, and no piece of a date, a time, a decimal or a path of numbers.
    r"(?<![0-9A-Za-z+])(?<!\d)(?<!\d[.,:/-])"
    r"(?P<code>"
    r"(?:\d{3}(?:[ .,\n-]| - )\d{3}|\d{2}(?:[ .-]\d{2}){2,3}|\d{4}[ -]\d{4}|\d(?:[ .-]\d){3,7}|\d{4,8}"
    r"|(?=[A-Z-]{0,10}\d)[0-9A-Z]{3,5}-[0-9A-Z]{3,5}|(?=[A-Za-z]{0,9}\d)[0-9A-Za-z]{4,10}))"
    r"(?![0-9A-Za-z])(?!\d)(?![.,:/-]\d)"
)
_LETTERS: Final = re.compile(
    r"(?:\b(?:is|ist|es|est|è|é|to)\b|[:：=])\s{0,2}(?P<code>[A-Z]{5,8}|[A-Z]{3,4}-[A-Z]{3,4})(?![0-9A-Za-z-])"
)
"""A code without a digit is told from a word only by what stands in front of it."""
_ALWAYS: Final = re.compile(
    r"(?<![0-9A-Za-z])G-(?P<code>\d{6})(?!\d)|(?m:^@[a-z0-9.-]+ #(?P<bound>[0-9A-Za-z]{4,10})$)"
)
"""Forms that nothing else has: Google's, and the last line that binds a code to a website
(https://wicg.github.io/sms-one-time-codes/)."""
_MONEY: Final = (
    r"[€$£¥₹₽₩₺₪฿%]|(?:EUR|USD|GBP|CHF|INR|BRL|RUB|PLN|TRY|JPY|CNY|Rs|R\$|kr|zł|руб|TL|Euro|euros?|Dollars?|"
    r"元|円|원|块|kg|km|mb|gb|MHz)(?![A-Za-z])"
)
_PRICE_BEFORE: Final = re.compile(rf"(?:{_MONEY})[ .]?$")
_PRICE_AFTER: Final = re.compile(rf"[ ]?(?:{_MONEY})")
_DATE: Final = re.compile(
    r"(?:19|20)\d\d[ -](?:0[1-9]|1[0-2])(?:[ -]\d\d)?|\d\d[ -]\d\d[ -](?:19|20)\d\d"
    r"|(?:0[1-9]|[12]\d|3[01])\.(?:0[1-9]|1[0-2])\.\d\d"
)
_YEAR: Final = re.compile(r"(?:19[5-9]|20[0-4])\d")
_PHONE: Final = re.compile(r"\+?[(\d](?:[ ()./-]{0,2}\d){8,}")
_SEPARATORS: Final = re.compile(r"[ .,\n-]")
_BETWEEN_THOUSANDS: Final = (",", "\n")
"""Separators that a code has only where a word announces it: numbers have the former, lists the latter."""


def has_code(text: str) -> bool:
    """Return whether a text holds a one-time code."""
    return bool(_codes(text))


def may_hold_code(text: str) -> bool:
    """Return whether a text may hold a one-time code: a quick first check."""
    return _POSSIBLE.search(text) is not None


def mask_codes(text: str, closely: int | None = None) -> str:
    """The text with `MASK` in place of each one-time code; the same text where there is none.

    Args:
        text: Of any length; the time is linear in it.
        closely: The characters that are read for the words around a code, by default all. Behind them, where
            a list shows nothing anyway, whatever could be a code is masked: a hundred times as fast.
    """
    if closely is None or len(text) <= closely:
        return _without(text, _codes(text))
    if closely == 0:
        return _without_suspects(text)
    # Words behind the border may announce a code in front of it.
    codes = [(start, end) for start, end in _codes(text[: closely + _STRONG_REACH]) if start < closely]
    # A code on the border is masked as one.
    boundary = max(closely, codes[-1][1] if codes else 0)
    return _without(text[:boundary], codes) + _without_suspects(text[boundary:])


def mask_parts(parts: Sequence[str], between: Literal[" ", "\n"] = " ") -> tuple[str, ...]:
    """The parts of one text, masked as the whole is: a code may be announced in another part than its own.

    Args:
        parts: One after the other.
        between: What stands between two of them.
    """
    codes = _codes(between.join(parts))
    masked: list[str] = []
    start, first = 0, 0
    for part in parts:
        end = start + len(part)
        while first < len(codes) and codes[first][1] <= start:
            first += 1
        within = takewhile(lambda code, end=end: code[0] < end, islice(codes, first, None))
        masked.append(
            _without(part, [(max(one, start) - start, min(other, end) - start) for one, other in within])
        )
        start = end + len(between)
    return tuple(masked)


def _without(text: str, codes: Sequence[tuple[int, int]]) -> str:
    if not codes:
        return text
    parts: list[str] = []
    position = 0
    for start, end in codes:
        parts += (text[position:start], MASK)
        position = end
    return "".join((*parts, text[position:]))


def _without_suspects(text: str) -> str:
    """A text with `MASK` in place of the words that hold what every code has; of those in a row, one."""
    kept: list[str] = []
    for word in UNSEEN.sub("", text).split(" "):
        # Most words are letters or digits alone, which is told without a pattern.
        if word.isalpha():
            is_suspect = len(word) >= _SHORTEST_LETTERS and word.isupper()
        else:
            is_suspect = word.isdigit() or _POSSIBLE.search(word) is not None
        if not is_suspect:
            kept.append(word)
        elif not kept or kept[-1] is not MASK:
            kept.append(MASK)
    return " ".join(kept)


def _codes(text: str) -> Sequence[tuple[int, int]]:
    """Return the spans of codes, in order and without overlap; invisible characters in them are included."""
    return _codes_of_short(text) if len(text) <= _SHORT else _looked_up(text)


def _looked_up(text: str) -> Sequence[tuple[int, int]]:
    if text.isascii() or UNSEEN.search(text) is None:
        return _seen_codes(text)
    # Invisible characters between its digits must not hide a code; the positions lead back to the text.
    places = [at for at, char in enumerate(text) if UNSEEN.match(char) is None]
    seen = "".join(text[at] for at in places)
    return [(places[start], places[end - 1] + 1) for start, end in _seen_codes(seen)]


_codes_of_short = lru_cache(_KEPT)(_looked_up)
"""Cached `_looked_up`: the same texts and file names appear in list after list."""


def _seen_codes(text: str) -> list[tuple[int, int]]:
    if _POSSIBLE.search(text) is None:
        return []
    # The mask names a code itself, and would make a code of another number beside it.
    text = folded(text.replace(MASK, "□" * len(MASK)))
    codes = {match.span(match.lastgroup or 0) for match in _ALWAYS.finditer(text)}
    candidates = [match.span("code") for match in _CANDIDATE.finditer(text)]
    phones = [match.span() for match in _PHONE.finditer(text) if _is_phone(match[0])] if candidates else []
    numbers = [span for span in candidates if _is_number(text, *span)]
    others = {span for span in numbers if _has_other_form(text, *span, phones)}
    if (candidates or _LETTERS.search(text)) and _STEMS.search(text):
        codes |= set(_announced(text, [span for span in candidates if span not in others]))
    plain = [span for span in numbers if not set(_BETWEEN_THOUSANDS).intersection(text[slice(*span)])]
    codes |= set(_signalled(text, [span for span in plain if span not in others]))
    if codes:
        # The same code once more, as in the address of a page that takes it.
        values = {_SEPARATORS.sub("", text[start:end]) for start, end in codes}
        codes |= {span for span in candidates if _SEPARATORS.sub("", text[slice(*span)]) in values}
    return _apart(sorted(codes))


def _is_number(text: str, start: int, end: int) -> bool:
    return text[start:end].isdigit() or _SEPARATORS.sub("", text[start:end]).isdigit()


def _signalled(text: str, numbers: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The numbers that look like a code, where the text says that they are one without a word for it."""
    shaped = [span for span in numbers if has_shape(text, *span, _SEPARATORS.sub("", text[slice(*span)]))]
    if not shaped:
        return
    if is_alone(text):
        yield from shaped
        return
    entered, secret = _Words(ENTERED, text), _Words(SECRET, text)
    for start, end in shaped:
        if entered.near(start, end, NEAR) or secret.near(start, end, FAR):
            yield start, end


def _announced(text: str, candidates: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The candidates that words near them announce."""
    others = _Words(_OTHER_CODES, text)
    strong = _Words(_STRONG, text)
    weak = _Words(_WEAK, text, without=others)
    if not strong and not weak:
        return
    for start, end in candidates:
        is_number = _is_number(text, start, end)
        by_strong = strong.near(start, end, _STRONG_REACH if is_number else _WEAK_REACH)
        if by_strong or weak.near(start, end, _weak_reach(text, start, end, is_number=is_number)):
            yield start, end
    for match in _LETTERS.finditer(text):
        if weak.near(*match.span(), _ADJACENT) or strong.near(*match.span(), _ADJACENT):
            yield match.span("code")


def _weak_reach(text: str, start: int, end: int, *, is_number: bool) -> int:
    if is_number:
        return _NEXT_TO if _YEAR.fullmatch(text, start, end) else _WEAK_REACH
    return _ADJACENT


def _has_other_form(text: str, start: int, end: int, phones: Sequence[tuple[int, int]]) -> bool:
    """Return whether a number is a price, a date, or a part of a phone number."""
    if _PRICE_BEFORE.search(text[max(0, start - 8) : start]) or _PRICE_AFTER.match(text, end):
        return True
    if _DATE.fullmatch(text, start, end):
        return True
    index = bisect_left(phones, (start + 1, 0)) - 1
    return index >= 0 and end <= phones[index][1]


def _is_phone(run: str) -> bool:
    """A run of digits and separators that is called: not two numbers beside each other."""
    groups = re.findall(r"\d+", run)
    digits = sum(map(len, groups))
    spelled = all(len(group) == 1 for group in groups)
    return digits >= _PHONE_DIGITS and not spelled and (run[0] in "+(0" or len(groups) != 2)


def _apart(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for start, end in spans:
        if kept and start < kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]))
        else:
            kept.append((start, end))
    return kept


class _Words:
    """Positions of the words that announce a code, with lookup in logarithmic time."""

    def __init__(self, pattern: re.Pattern[str], text: str, *, without: _Words | None = None) -> None:
        spans = [match.span() for match in pattern.finditer(text)]
        if without is not None:
            spans = [span for span in spans if not without.near(*span, 0)]
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]

    def __bool__(self) -> bool:
        return bool(self._starts)

    def near(self, start: int, end: int, reach: int) -> bool:
        """Return whether a word overlaps the span, or lies at most `reach` characters before or after it."""
        # Spans of one pattern never overlap, so both lists are sorted.
        index = bisect_left(self._ends, start - reach)
        return index < len(self._ends) and self._starts[index] <= end + reach
