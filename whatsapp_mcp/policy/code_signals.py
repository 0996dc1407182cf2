"""One-time codes that no word announces: told by their shape, six digits, and by what is asked to be done.

Few things in everyday texts have six digits, and most of them a label (an order, an invoice), a currency, or
the form of a date. Beside what is left a signal is enough: that it is entered, kept secret, or soon expires.
"""

from __future__ import annotations

import re
from typing import Final

NEAR: Final = 40
FAR: Final = 160
"""Characters between a number and a signal."""

_FOLDS: Final = {
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d*_~·•∙・"), "-"),
    **dict.fromkeys(
        map(ord, "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000"), " "
    ),
    **{
        code: chr(code - 0xFEE0)
        for code in (*range(0xFF10, 0xFF1B), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
    },
    0xFF0E: ".",
}
"""One form of each dash, bullet, mark of emphasis and blank. Full-width characters lie 0xFEE0 behind
ASCII."""
_IS_PLAIN: Final = re.compile(r"[^*_~]*")

ENTERED: Final = re.compile(
    # To be entered, …
    r"\b(?:enter|type|input|submit|key in|use|tippe|tippen|gib|geben sie|voer|ange|skriv|wpisz|podaj|digite"
    r"|insira|saisi\w{0,4}|entrez|tapez|girin\w{0,3}|yazın)\b|eing[ae]b|ingres[ae]|introdu[czț]|inserisc|invoer"
    r"|zadej|zadaj|írja|введ|въвед|внес|indtast|syötä|εισ[άα]γ|πληκτρολ|הזן|הזינ|הקל[יד]|أدخل|ادخل|إدخال"
    r"|وارد کن|दर्ज|डालें|প্রবেশ|লিখুন|masukkan|nhập|กรอก|ใส่รหัส|输入|輸入|填写|入力|입력"
    # … somewhere, …
    r"|\bapp(?:en|s|li)?\b|\bapplica|\baplica|\baplika|uygulama|приложени|застосунк|εφαρμογ|אפליקצי|تطبيق|ऐप"
    r"|ứng dụng|แอป|应用|應用|アプリ|앱|sovellu|\bscreen\b|\bbrowser|\bwebsite\b|\bdevice\b|\bterminal\b"
    # … to prove who one is.
    r"|\bm?fa\b|\bauth|autenti|аутентиф|verif|\bsecur|segur|sécur|sicherheit|einmal|one.?time|two.?step"
    r"|un solo uso|usage unique|jednor|однораз|tek seferlik|یکبار|log.?in\b|sign.?in\b|anmeld|přihl[áa][sš]"
    r"|confirm|bestätig|подтверд|підтверд|потвърд|onayla",
    re.IGNORECASE,
)
SECRET: Final = re.compile(
    r"(?<!\d)[1-9]\d?[ -]?(?:m\b|min|мин|хв|dakika|dk\b|分|분|דק|دق|मिन|মিনিট|phút|menit|นาที|perc|λεπτ)"
    r"|\b(?:share|disclose|anyone|anybody|expires?|weitergeben|teilen|compart\w{1,8}|partage\w{0,2}|condivid\w{1,4}"
    r"|udostępni\w{1,4}|paylaş\w{1,8}|никому|нікому|bagikan|delen|jakaa|dela|del)\b|告诉|告訴|告知|教えない|공유|알려",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(
    r"(?:\b(?:order|bestell\w{0,12}|auftr\w{0,8}|pedido|commande|ordine|bestelling|zam[óo]wieni\w|objedn\w{1,6}|sipariş\w{0,3}"
    r"|заказ\w{0,2}|замовлення|invoice|rechnung\w{0,8}|factur\w{1,3}|fattura|ticket|case|ref\w{0,8}|tracking|paket\w{0,8}"
    r"|parcel|booking|reservation|postcode|postleitzahl|plz|zip|cep|cap|pincode|konto|iban|account|member|mitglied\w{0,8}"
    r"|customer|kunden\w{0,8}|cliente|flight|train|zug|room|bus|part|model|modell|serial|version|los|lot|tel|fon|phone"
    r"|call|fax|id)\b|订单|訂單|单号|注文|주문|[#№°])"
    r"[\s.:-]{0,3}(?:(?:no|nr|num\w{0,4}|n[º°]|id|号|番号)\b)?[\s.:#-]{0,3}$",
    re.IGNORECASE,
)
_LABEL_REACH: Final = 32
"""Characters in front of a number in which its label is looked for."""
_UNIT: Final = re.compile(
    r"[ ]?(?:k?m|kg|g|ml|l|steps|people|downloads|views|followers|miles|meters|einwohner)\b", re.IGNORECASE
)
_ALONE: Final = re.compile(r"\W{0,3}\d{3}[ -]?\d{3}\W{0,3}")


def folded(text: str) -> str:
    """The text with one form of each separator, digit and letter, every character in its place."""
    if text.isascii() and _IS_PLAIN.fullmatch(text):
        return text
    return text.translate(_FOLDS)


def has_shape(text: str, start: int, end: int, digits: str) -> bool:
    """Return whether a number alone looks like a code: six digits, not round, not labelled otherwise."""
    return (
        len(digits) == 6
        and not digits.endswith("000")
        and _LABEL.search(text[max(0, start - _LABEL_REACH) : start]) is None
        and _UNIT.match(text, end) is None
    )


def is_alone(text: str) -> bool:
    """Return whether a text is only six digits, apart from a few separators."""
    # The length rules out nearly every text, which the pattern need not look at.
    return len(text) < 16 and _ALONE.fullmatch(text) is not None
