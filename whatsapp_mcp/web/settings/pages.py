"""The pages of settings: what is in force, and a change in two steps: shown as a difference, then written.

The token of the second step is made for the text before and after the change. So what is written is what was
shown, and nothing is written over a file that somebody else has changed in between.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio.to_thread

from whatsapp_mcp.errors import Busy, InvalidArgument
from whatsapp_mcp.ledger import AuditEntry
from whatsapp_mcp.models import Caller
from whatsapp_mcp.models.caller import PERSON
from whatsapp_mcp.policy import Act, Policy, Situation, decide
from whatsapp_mcp.settings import ENV_PREFIX, Addition, Assignment, Removal, config_text, edited, parse
from whatsapp_mcp.system import write_private
from whatsapp_mcp.web.settings.catalogue import BY_NAME, EDITABLE, SUBJECTS, VERDICTS
from whatsapp_mcp.web.site import Site

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from whatsapp_mcp.settings import Settings

SETTINGS: Final = "/settings"
BACKUP: Final = "config.toml.before"
"""The file as it was before the last change on a page."""
_NAME: Final = 200
"""Characters of what a tool or a chat is called."""
_URL: Final = re.compile(
    r"""(?P<scheme>\b[a-z][a-z\d+.-]{0,30}://)(?:[^\s/"'@]*@)?(?P<host>[^\s/"'?]*)(?P<rest>[/?][^\s"']+)?""",
    re.IGNORECASE,
)
"""A path may be the secret of a webhook, and what stands before the host a password."""
_CHANGE: Final = "change settings"
_RULES: Final = ("policy", "chats")


class _InForce(NamedTuple):
    """A setting, its value, and where that is from."""

    name: str
    value: str
    source: str


def settings_routes(site: Site) -> list[Route]:
    """The routes of settings."""
    pages = _Settings(site)
    return [
        site.route(SETTINGS, pages.show),
        site.route(f"{SETTINGS}/try", pages.explain),
        site.route(f"{SETTINGS}/change", pages.preview, "POST"),
        site.route(f"{SETTINGS}/apply", pages.apply, "POST"),
    ]


@dataclass(frozen=True, slots=True)
class _Settings:
    site: Site

    async def show(self, request: Request) -> Response:
        current = self.site.source.current
        settings = current.now()
        text = await anyio.to_thread.run_sync(config_text, settings.home)
        return self.site.page(
            request,
            "settings/show.html",
            "Settings",
            fault=current.fault,
            editable=[(one, one.current(settings)) for one in EDITABLE],
            rules=settings.policy.chats,
            of_account=self._is_apart(settings, text),
            rules_of_account=bool(self._section_of_rules(text)),
            subjects=SUBJECTS,
            verdicts=VERDICTS,
            in_force=list(_in_force(settings, text, self.site.source.account)),
            file=settings.home / "config.toml",
            purpose=_CHANGE,
        )

    async def explain(self, request: Request) -> Response:
        """What would happen if an agent called a tool, and by which rule."""
        given = request.query_params
        tool, text = given.get("tool", "").strip()[:_NAME], given.get("chat", "").strip()[:_NAME]
        tainted = given.get("tainted") == "yes"
        decision = chat = None
        if tool:
            facts = self.site.source.declared(tool)
            if facts is None:
                raise InvalidArgument("There is no such tool.", "Give its name, such as send_message.")
            chat = await self.site.meant(text) if text else None
            about = [await self.site.opened().archive.chat_facts(chat.jid)] if chat else []
            policy = Policy.of(self.site.source.current.now())
            caller = Caller("an agent", tool=tool)
            decision = decide(
                policy, Act(tool, facts.effect, facts.audience, about), Situation(caller, tainted)
            )
        return self.site.page(
            request,
            "settings/try.html",
            "What would happen?",
            tool=tool,
            text=text,
            tainted=tainted,
            decision=decision,
            chat=chat,
            verdicts={"allow": "It is done.", "ask": "You are asked.", "deny": "It is refused."},
        )

    async def preview(self, request: Request) -> Response:
        """What the file would be after a change, to be confirmed."""
        form = await self.site.form(request)
        self.site.check(request, form, _CHANGE)
        before, after = await self._changed(form)
        warnings = [
            said
            for one in EDITABLE
            for value, said in one.warns.items()
            if form.get("setting") == one.name and form.get("value") == value
        ]
        return self.site.page(
            request,
            "settings/confirm.html",
            "Change the settings?",
            lines=_difference(before, after),
            fields={name: value for name, value in form.items() if name != "token"},
            purpose=_purpose(before, after),
            warnings=warnings,
            backup=BACKUP,
        )

    async def apply(self, request: Request) -> Response:
        """Write a change that was confirmed."""
        form = await self.site.form(request)
        before, after = await self._changed(form)
        self.site.check(request, form, _purpose(before, after))
        home = self.site.source.current.now().home
        await self.site.opened().ledger.audit.note(
            AuditEntry(PERSON, "change_settings", rule="person", way="page")
        )
        await anyio.to_thread.run_sync(_write, home, before, after)
        return self.site.see(SETTINGS)

    async def _changed(self, form: Mapping[str, str]) -> tuple[str, str]:
        """The text of the file now, and after the change of a form.

        Raises:
            InvalidArgument: The form or the file cannot be used, or the settings would be invalid.
        """
        settings = self.site.source.current.now()
        before = await anyio.to_thread.run_sync(config_text, settings.home)
        change = _change(form, settings)
        if not isinstance(change, Assignment):
            change = change._replace(section=(*self._section_of_rules(before), *change.section))
        elif change.section and self._is_apart(settings, before):  # outside of sections all is shared
            change = change._replace(section=(*self._own, *change.section))
        after = edited(before, [change])
        parse(settings.home, after)
        return before, after

    @property
    def _own(self) -> tuple[str, ...]:
        """Where the sections of this account alone stand."""
        return ("accounts", self.site.source.account)

    def _is_apart(self, settings: Settings, text: str) -> bool:
        """Whether a change is of this account alone: there are others, or it has settings of its own."""
        return len(settings.accounts()) > 1 or _is_in(_parsed(text), self._own)

    def _section_of_rules(self, text: str) -> tuple[str, ...]:
        """Above the list of rules that is in force: one of an account replaces the shared one."""
        return self._own if _is_in(_parsed(text), (*self._own, *_RULES)) else ()


def _change(form: Mapping[str, str], settings: Settings) -> Assignment | Addition | Removal:
    match form.get("do"):
        case "set" if form.get("setting") in BY_NAME:
            return BY_NAME[form["setting"]].change(form.get("value", ""))
        case "add rule" if form.get("subject") in SUBJECTS:
            rule = {form["subject"]: form.get("of", "").strip()}
            rule |= {purpose: form[purpose] for purpose in ("read", "send") if form.get(purpose)}
            return Addition(_RULES, dict(rule))
        case "remove rule" if form.get("place", "") in map(str, range(len(settings.policy.chats))):
            return Removal(_RULES, int(form["place"]))
        case _:
            raise InvalidArgument("This form is not valid any more.", "Load the page again.")


def _purpose(before: str, after: str) -> str:
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in (before, after)]
    return f"settings {' '.join(digests)}"


def _difference(before: str, after: str) -> list[tuple[str, str]]:
    """Lines with whether each is added, removed or neither; of URLs no more than their origin."""
    kinds = {"+": "added", "-": "removed"}
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    return [
        (kinds.get(line[:1], ""), _URL.sub(_origin, line))
        for line in lines
        if not line.startswith(("+++", "---", "@@"))
    ]


def _origin(url: re.Match[str]) -> str:
    return f"{url['scheme']}{url['host']}{'/…' if url['rest'] else ''}"


def _write(home: Path, before: str, after: str) -> None:
    try:
        write_private(home / BACKUP, before.encode(), synced=True)
        write_private(home / "config.toml", after.encode(), synced=True)
    except OSError as error:
        raise Busy("config.toml cannot be written.", "Look at the rights of the home folder.") from error


def _in_force(settings: Settings, text: str, account: str) -> Iterator[_InForce]:
    """Every setting with a value of its own; what may be secret is left out."""
    written = _parsed(text)
    values = settings.model_dump(mode="json", exclude={"home": True, "policy": {"chats"}, "webhooks": True})
    # The path of a webhook's URL may be a secret.
    values["webhooks"] = [f"{each.name}: {each.origin}" for each in settings.webhooks]
    for path, value in _flat(values, ()):
        variable = ENV_PREFIX + "__".join(path).upper()
        is_written = _is_in(written, path) or _is_in(written, ("accounts", account, *path))
        source = "environment" if variable in os.environ else "config.toml" if is_written else "default"
        yield _InForce(".".join(path), _shown(value), source)


def _parsed(text: str) -> dict[str, Any]:
    """What a file says; nothing if it cannot be read."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _is_in(values: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        values = values.get(part) if isinstance(values, dict) else None
    return values is not None


def _flat(values: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, (*above, key))
        else:
            yield (*above, key), value


def _shown(value: Any) -> str:
    if value is None or value == [] or value == {}:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
