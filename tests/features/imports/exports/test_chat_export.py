"""Chats that WhatsApp exported, as phones of many languages write them."""

from __future__ import annotations

from datetime import datetime

from tests.tables import for_each
from whatsapp_mcp.features.imports.exports.exported_text import read
from whatsapp_mcp.models import ExportedMessage

ANDROID = """14/11/2023, 22:10 - Messages and calls are end-to-end encrypted. Tap to learn more.
14/11/2023, 22:13 - Ana Silva: hello
14/11/2023, 22:13 - Max: first line
14/11/2023, 22:14 - Ana Silva: IMG-20231114-WA0001.jpg (file attached)
a caption
"""


def test_android_and_iphone_lines_are_read_alike() -> None:
    found = read(ANDROID.splitlines())
    assert found[0].name is None
    assert found[1:] == [
        ExportedMessage(datetime(2023, 11, 14, 22, 13), "Ana Silva", "hello"),
        ExportedMessage(datetime(2023, 11, 14, 22, 13), "Max", "first line"),
        ExportedMessage(datetime(2023, 11, 14, 22, 14), "Ana Silva", "a caption", "IMG-20231114-WA0001.jpg"),
    ]


@for_each(
    ("lines", "expected"),
    [
        (["[25.12.23, 09:00:00] A: x"], (2023, 12, 25)),
        (["12/25/23, 9:00 AM - A: x"], (2023, 12, 25)),
        (["[2023-12-25, 09:00:00] A: x"], (2023, 12, 25)),
        (["1/2/23, 09:00 - A: x", "2/2/23, 09:00 - A: y", "3/2/23, 09:00 - A: z"], (2023, 2, 1)),
        (["1/2/23, 9:00 AM - A: x", "1/3/23, 9:00 AM - A: y"], (2023, 1, 2)),
    ],
)
def test_the_order_of_day_and_month_is_told_by_the_dates(
    lines: list[str], expected: tuple[int, int, int]
) -> None:
    when = read(lines)[0].at
    assert (when.year, when.month, when.day) == expected


NEW_YEAR = datetime(2023, 12, 31, 23, 59)


@for_each(
    "head",
    [
        "[31/12/2023, 23:59:07] ",
        "[31.12.23, 23:59:07] ",
        "[12/31/23, 11:59:07\u202fPM] ",
        "[31/12/23, 11:59:07 p.\u00a0m.] ",
        "[2023/12/31 下午11:59:07] ",
        "[2023. 12. 31. 오후 11:59:07] ",
        "\u200f[31\u200f/12\u200f/2023، 11:59:07\u202fم] ",
        "\u200f[٣١\u200f/١٢\u200f/٢٠٢٣, ١١:٥٩:٠٧ م] ",
        "31/12/2023, 23:59 - ",
        "31/12/23 23:59 - ",
        "31-12-2023 23:59 - ",
        "31.12.23, 23:59 - ",
        "31.12.2023 klo 23.59 - ",
        "2023-12-31 23:59 - ",
        "2023. 12. 31. 23:59 - ",
        "2023/12/31, 11:59 午後 - ",
        "12/31/23, 11:59 PM - ",
        "31/12/23, 11:59 pm - ",
        "31/12/2023, 11:59 p. m. - ",
        "31/12/2023 às 23:59 - ",
        "31/12/23 23.59 - ",
        "31.12.23 г., 23:59 ч. - ",
    ],
)
def test_the_head_of_a_line_is_read_in_many_languages(head: str) -> None:
    found = read([f"{head}Ana: it is 12:30: really", "second line"])
    assert [(one.name, one.text) for one in found] == [("Ana", "it is 12:30: really\nsecond line")]
    assert found[0].at.replace(second=0) == NEW_YEAR


@for_each(
    ("said", "expected"),
    [
        ("<Media omitted>", ("<Media omitted>", None, True)),
        ("<Medien ausgeschlossen>", ("<Medien ausgeschlossen>", None, True)),
        ("\u200eimage omitted", ("image omitted", None, True)),
        ("\u200eimagen omitida", ("imagen omitida", None, True)),
        ("image omitted", ("image omitted", None, False)),
        ("\u200e<attached: 0001-PHOTO.jpg>", ("", "0001-PHOTO.jpg", False)),
        ("\u200e<adjunto: 0001-PHOTO.jpg>", ("", "0001-PHOTO.jpg", False)),
        ("IMG-20231231-WA0001.jpg (archivo adjunto)", ("", "IMG-20231231-WA0001.jpg", False)),
        ("\u200ereport.pdf (file attached)", ("", "report.pdf", False)),
        ("see notes.txt (the old ones)", ("see notes.txt (the old ones)", None, False)),
        ("helo \u200e<This message was edited>", ("helo", None, False)),
        ("a < b > c", ("a < b > c", None, False)),
    ],
)
def test_what_a_line_says_is_told_from_what_the_phone_says_of_it(
    said: str, expected: tuple[str, str | None, bool]
) -> None:
    (found,) = read([f"[31/12/2023, 23:59:07] Ana: {said}"])
    assert (found.text, found.file, found.omitted) == expected


def test_a_line_of_the_system_has_no_sender() -> None:
    lines = [
        "31/12/2023, 23:59 - Messages are end-to-end encrypted.",
        '31/12/2023, 23:59 - Ana changed the subject to "news: today"',
    ]
    assert [one.name for one in read(lines)] == [None, None]
