"""Messages of businesses, and the replies to them: buttons, lists, products, orders, payments.

Of each the details say what it is (`what`, in words of ours), what it is called (`title`), its price and what
may be chosen (`choices`); the text is whatever there is to read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from whatsapp_mcp.decoding import limits
from whatsapp_mcp.decoding.updates import Content
from whatsapp_mcp.models import MessageKind

Opened = Callable[[str, Any], Content]
"""The handler of a message's part: what the part says, by the name of its field."""

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_HEADERS: Final = ("imageMessage", "videoMessage", "documentMessage", "locationMessage", "productMessage")
_PARAMETERS: Final = 65_536
"""Characters of a button's parameters that are read."""
_LABELS: Final = ("display_text", "title")
"""Members of a button's JSON that hold its label, the preferred one first."""


def lines(*texts: str) -> str:
    """The texts that are not empty, each on its own line."""
    return "\n".join(text for text in texts if text)


def named(what: str, text: str = "", title: str = "", **details: Any) -> Content:
    """A message that is `what`; its text begins with its title. Details that are empty are left out."""
    fields = {"what": what, "title": title, **details}
    text = lines(title, text)
    return Content(MessageKind.TEXT, text, details={key: value for key, value in fields.items() if value})


def price(amount: int, scale: int, currency: str) -> str:
    """`12.00 EUR`; nothing for no amount.

    Args:
        amount: In parts of the currency's unit.
        scale: Parts of a unit.
        currency: ISO 4217; anything else is left out.
    """
    if amount <= 0 or scale <= 0:
        return ""
    code = currency.upper()
    return f"{amount / scale:.2f}{f' {code}' if _CURRENCY.fullmatch(code) else ''}"


def money(value: Any) -> str:
    """Format a `Money` as `price` does."""
    return price(value.value, value.offset, value.currencyCode)


def buttons(value: Any, opened: Opened) -> Content:
    """A `ButtonsMessage`."""
    choices = [button.buttonText.displayText or _native(button.nativeFlowInfo) for button in value.buttons]
    content = named("buttons", lines(value.text, value.contentText, value.footerText), choices=_some(choices))
    return _with_header(content, value, opened)


def choice_list(value: Any) -> Content:
    """A `ListMessage`."""
    rows = [row.title for section in value.sections for row in section.rows]
    products = sum(len(section.products) for section in value.productListInfo.productSections)
    text = lines(value.description, value.footerText)
    return named("list", text, value.title, choices=_some(rows), items=products)


def chosen(text: str, key: str) -> Content:
    """Return the content of a choice among buttons, a list or a template."""
    return named("chosen", text, chosen=key)


def template(value: Any, opened: Opened) -> Content:
    """A `TemplateMessage`."""
    for name in ("hydratedTemplate", "hydratedFourRowTemplate"):
        if value.HasField(name):
            body = getattr(value, name)
            text = lines(body.hydratedTitleText, body.hydratedContentText, body.hydratedFooterText)
            choices = _some(map(_template_button, body.hydratedButtons))
            return _with_header(
                named("buttons" if choices else "template", text, choices=choices), body, opened
            )
    if value.HasField("interactiveMessageTemplate"):
        return interactive(value.interactiveMessageTemplate, opened)
    if value.HasField("fourRowTemplate"):
        rows = value.fourRowTemplate
        return named("template", lines(structured_text(rows.content), structured_text(rows.footer)))
    return named("template")


def structured_text(value: Any) -> str:
    """Return the readable part of a `HighlyStructuredMessage`: words that fill a text kept elsewhere."""
    return " ".join(value.params) or value.elementName


def interactive(value: Any, opened: Opened) -> Content:
    """An `InteractiveMessage`: buttons, a carousel of cards, a shop, a collection of products."""
    text = lines(value.header.title, value.header.subtitle, value.body.text, value.footer.text)
    choices = _some(_native(button) for button in value.nativeFlowMessage.buttons)
    what = "buttons" if choices else "interactive message"
    items = 0
    if value.HasField("carouselMessage"):
        cards = [interactive(card, opened) for card in value.carouselMessage.cards[: limits.OPTIONS]]
        what, items = "carousel", len(value.carouselMessage.cards)
        text = lines(text, *(card.text for card in cards))
        choices = _some(choice for card in cards for choice in card.details.get("choices", ()))
    elif value.HasField("shopStorefrontMessage"):
        what = "shop"
    elif value.HasField("collectionMessage"):
        what = "collection of products"
    return _with_header(named(what, text, choices=choices, items=items), value.header, opened)


def interactive_reply(value: Any) -> Content:
    """An `InteractiveResponseMessage`: what somebody chose or filled in."""
    return named("chosen", value.body.text, chosen=value.nativeFlowResponseMessage.name)


def product(value: Any) -> Content:
    """A `ProductMessage`."""
    item = value.product
    amount = item.salePriceAmount1000 or item.priceAmount1000
    text = lines(item.description, value.body, value.footer)
    return named("product", text, item.title, price=price(amount, 1000, item.currencyCode))


def order(value: Any) -> Content:
    """An `OrderMessage`."""
    cost = price(value.totalAmount1000, 1000, value.totalCurrencyCode)
    title = value.orderTitle
    return named("order", value.message, title, items=value.itemCount, price=cost, order=value.orderID)


def payment(note: str) -> Content:
    """A `SendPaymentMessage` with its note."""
    return named("payment", note)


def payment_request(value: Any, note: str) -> Content:
    """A `RequestPaymentMessage` with its note."""
    cost = money(value.amount) or price(value.amount1000, 1000, value.currencyCodeIso4217)
    return named("payment request", note, price=cost, expires_at=value.expiryTimestamp)


def payment_reminder(value: Any) -> Content:
    """A `PaymentReminderMessage`."""
    return named("payment reminder", value.description, price=money(value.amount))


def split_payment(value: Any) -> Content:
    """A `SplitPaymentMessage`."""
    cost = money(value.totalAmount)
    return named("shared payment", value.description, price=cost, items=len(value.participants))


def _with_header(content: Content, header: Any, opened: Opened) -> Content:
    """The content with the file, place or product that stands above its text."""
    for name in _HEADERS:
        if name not in header.DESCRIPTOR.fields_by_name or not header.HasField(name):
            continue
        above = opened(name, getattr(header, name))
        content.text, content.flags = lines(above.text, content.text), content.flags | above.flags
        if above.media is not None or above.kind is not MessageKind.TEXT:
            content.kind, content.media = above.kind, above.media
        content.details = {**above.details, **content.details}
        break
    return content


def _some(choices: Iterable[str]) -> list[str]:
    return [choice for choice in choices if choice]


def _template_button(button: Any) -> str:
    for name in ("quickReplyButton", "urlButton", "callButton"):
        if button.HasField(name):
            inner = getattr(button, name)
            target = {"urlButton": "URL", "callButton": "phoneNumber"}.get(name)
            return " ".join(filter(None, (inner.displayText, getattr(inner, target) if target else "")))
    return ""


def _native(button: Any) -> str:
    """Return the text of a native flow button: its label, which is in JSON, else its action's name."""
    parameters = button.buttonParamsJSON if hasattr(button, "buttonParamsJSON") else button.paramsJSON
    try:
        fields = json.loads(parameters) if len(parameters) <= _PARAMETERS else None
    except (ValueError, RecursionError):
        fields = None
    if isinstance(fields, dict):
        for key in _LABELS:
            if isinstance(label := fields.get(key), str) and label:
                text = " ".join(filter(None, (label, _address(fields))))
                return text.encode("utf-8", "replace").decode()  # JSON may hold half a character
    return button.name.replace("_", " ")


def _address(fields: dict[str, Any]) -> str:
    """Return the target of a button: a URL or a phone number; empty if it has none."""
    for key in ("url", "phone_number"):
        if isinstance(value := fields.get(key), str):
            return value
    return ""
