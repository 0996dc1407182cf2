"""The sections of `config.toml`, each a model that checks its values."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from datetime import time, tzinfo
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    PrivateAttr,
    SecretStr,
    field_validator,
    model_validator,
)

from whatsapp_mcp.errors import InvalidArgument, WhatsAppError
from whatsapp_mcp.features.reading.voice_section import VoiceSettings
from whatsapp_mcp.features.webhooks.settings import Webhooks, own_webhook_faults
from whatsapp_mcp.files.home import accounts_in, is_account_name
from whatsapp_mcp.files.vault import KeySource, Vault
from whatsapp_mcp.jid import looks_like_jid, parse_number
from whatsapp_mcp.settings.account_folder import AccountFolder
from whatsapp_mcp.settings.core_sections import (
    AgentSettings,
    MediaSettings,
    Section,
    ServerSettings,
    TracesSettings,
    UserPath,
)
from whatsapp_mcp.text.zone import SystemZone

_SPAN: Final = re.compile(r"((?:[01]\d|2[0-3]):[0-5]\d)-((?:[01]\d|2[0-3]):[0-5]\d)")
_PROXY_SCHEMES: Final = ("socks5", "http", "https")

PolicyMode = Literal["read_only", "standard", "lockdown", "open"]
Verdict = Literal["allow", "ask", "deny"]
ApprovalSetting = Literal["auto", "elicitation", "phone", "page", "host"]


class AccountSettings(Section):
    """`[account]`: how the companion introduces itself; fixed at linking until relinked.

    `history` is how much of the past the phone is asked for: `recent` (about three months) or `full`.
    """

    device_name: str = Field(default="WhatsApp MCP", min_length=1, max_length=50)
    history: Literal["recent", "full"] = "recent"


class ChatRule(Section):
    """`[[policy.chats]]`: what an agent may do in chats; exactly one key says in which.

    `name` is a contact's name in the address book and `group` a group's subject, both exact.
    """

    jid: str | None = None
    number: str | None = None
    name: str | None = None
    group: str | None = None
    kind: Literal["direct", "group", "channel", "status"] | None = None
    people: Literal["contacts", "strangers"] | None = None
    read: Verdict | None = None
    send: Verdict | None = None

    @field_validator("jid")
    @classmethod
    def _is_jid(cls, value: str | None) -> str | None:
        if value is not None and not looks_like_jid(value):
            raise ValueError(f"{value!r} is not a jid such as 15550001111@s.whatsapp.net")
        return value

    @field_validator("number")
    @classmethod
    def _is_number(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return parse_number(value).number
        except InvalidArgument:
            raise ValueError(f"{value!r} is not a phone number with its country code") from None

    @model_validator(mode="after")
    def _is_about_one(self) -> ChatRule:
        given = [key for key in _SUBJECTS if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"a rule needs exactly one of {', '.join(_SUBJECTS)}")
        if self.read is None and self.send is None:
            raise ValueError("a rule needs read or send")
        return self

    @property
    def subject(self) -> str:
        """Which key says what the rule is about."""
        return next(key for key in _SUBJECTS if getattr(self, key) is not None)

    @property
    def value(self) -> str:
        """The value of that key."""
        return str(getattr(self, self.subject))


_SUBJECTS: Final = ("jid", "number", "name", "group", "kind", "people")


class QuietHours(NamedTuple):
    """A span of the clock, in the person's zone; it may go over midnight."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> QuietHours:
        """Parse a span of the clock such as `22:00-07:00`.

        Raises:
            ValueError: It is not written so.
        """
        match = _SPAN.fullmatch(text.strip())
        # Equal times could mean all of the day or nothing of it.
        if match is None or match[1] == match[2]:
            raise ValueError(f"{text!r} is not a span of the clock such as 22:00-07:00")
        return cls(time.fromisoformat(match[1]), time.fromisoformat(match[2]))


def _quiet_hours(value: object) -> QuietHours:
    return value if isinstance(value, QuietHours) else QuietHours.parse(str(value))


class BudgetSettings(Section):
    """`[policy.budgets]`: how much others may see of the account in a while; not in the mode `open`.

    `same_text_per_day` is to how many chats one text goes; `gap_seconds` lies between sends to different
    chats, on average.
    """

    per_minute: int = Field(default=10, ge=1)
    per_hour: int = Field(default=60, ge=1)
    per_day: int = Field(default=300, ge=1)
    new_chats_per_day: int = Field(default=10, ge=0)
    same_text_per_day: int = Field(default=10, ge=1)
    gap_seconds: float = Field(default=1.5, ge=0, le=60)


class PolicySettings(Section):
    """`[policy]`: what an agent may do. `read_only` refuses every act, `open` asks nothing.

    `approval` is the way in which a person is asked; the page and the terminal show every question as well.
    Of tools, `tools_off` are refused, and if `tools_on` names any, all others are. `audit_text` keeps the
    texts of acts in the audit.
    """

    mode: PolicyMode = "standard"
    approval: ApprovalSetting = "auto"
    tools_on: tuple[str, ...] = ()
    tools_off: tuple[str, ...] = ()
    chats: tuple[ChatRule, ...] = ()
    quiet_hours: Annotated[QuietHours, PlainValidator(_quiet_hours)] | None = None
    budgets: BudgetSettings = BudgetSettings()
    audit_text: bool = False


def _proxy_url(value: SecretStr) -> SecretStr:
    """The URL of a proxy. What is wrong is said without its words: it may hold a password."""
    text = value.get_secret_value()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in _PROXY_SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    else:
        usable = usable and not parts.query and not parts.fragment and parts.path in ("", "/")
    if not usable or not text.isascii() or re.search(r"[\x00-\x20\x7f]", text):
        raise ValueError(
            "it is not a proxy's URL such as socks5://127.0.0.1:1080 or http://user:word@host:3128"
        )
    return value


class NetworkSettings(Section):
    """`[network]`: `proxy` is the URL of the proxy to WhatsApp and the web; it may hold a password."""

    proxy: Annotated[SecretStr, AfterValidator(_proxy_url)] | None = None

    @property
    def proxy_url(self) -> str | None:
        """The URL with its password, for whoever opens a connection."""
        return self.proxy.get_secret_value() if self.proxy else None


class EncryptionSettings(Section):
    """`[encryption]`: where the key of encrypted accounts is; one of the three."""

    key_file: UserPath | None = None
    key_command: str | None = Field(default=None, min_length=1)
    keyring: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(map(bool, (self.key_file, self.key_command, self.keyring))) > 1:
            raise ValueError("only one of key_file, key_command and keyring can say where the key is")
        return self

    def source(self, folder: Path) -> KeySource | None:
        """Return the source of the key of this account's folder; None if none is set."""
        if self.key_file is None and self.key_command is None and not self.keyring:
            return None
        return KeySource(self.key_file, self.key_command, str(folder))


class RetentionSettings(Section):
    """`[retention]`: messages older than `days` are purged; 0 keeps everything."""

    days: int = Field(default=0, ge=0)


class PrivacySettings(Section):
    """`[privacy]`: what others see of the account without being sent anything.

    With `group_receipts` the server itself sends read receipts for the newest message of each group.
    """

    group_receipts: bool = False


class Settings(Section):
    """Everything that can be set.

    `home` holds every file; `timezone` is an IANA name, the system's zone when left out.
    `allow_network_home` lets the home be where SQLite's locks are not known to hold (`account_folder`).
    """

    home: Path
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    log_format: Literal["text", "json"] = "text"
    timezone: str | None = None
    allow_network_home: bool = False
    account: AccountSettings = AccountSettings()
    policy: PolicySettings = PolicySettings()
    agent: AgentSettings = AgentSettings()
    server: ServerSettings = ServerSettings()
    media: MediaSettings = MediaSettings()
    voice: VoiceSettings = VoiceSettings()
    traces: TracesSettings = TracesSettings()
    network: NetworkSettings = NetworkSettings()
    privacy: PrivacySettings = PrivacySettings()
    encryption: EncryptionSettings = EncryptionSettings()
    retention: RetentionSettings = RetentionSettings()
    webhooks: Webhooks = ()
    _of_accounts: dict[str, Settings] = PrivateAttr(default_factory=dict[str, "Settings"])

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                zoneinfo.ZoneInfo(value)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                # OSError: `America` is a folder of the zones (IsADirectoryError).
                raise ValueError(f"{value!r} is no IANA time zone") from None
        return value

    @property
    def zone(self) -> tzinfo:
        """The person's time zone."""
        return zoneinfo.ZoneInfo(self.timezone) if self.timezone else SystemZone()

    @property
    def leaves_this_computer(self) -> str | None:
        """The sentence that says what is sent elsewhere than to WhatsApp; None: nothing is."""
        from whatsapp_mcp.features.reading.speech.options import sends_away

        sentences: list[str | None] = []
        sentences.append(sends_away(self))
        return " ".join(filter(None, sentences)) or None

    @property
    def speech_missing(self) -> str | None:
        """The sentence that says why speech is not transcribed on this machine; None: it is."""
        from whatsapp_mcp.features.reading.speech.options import why_no_speech

        whys: list[WhatsAppError | None] = []
        whys.append(why_no_speech(self))
        return next((why and why.message for why in whys), "Speech is not transcribed here.")

    @property
    def in_database(self) -> bool:
        """True if a database has the accounts, so that their folders hold copies."""
        return False

    def with_accounts(self, accounts: Mapping[str, Settings]) -> Self:
        """These settings, and those of the accounts that have some of their own."""
        settings = self.model_copy()
        settings._of_accounts = dict(accounts)
        return settings

    def for_account(self, name: str) -> Settings:
        """The settings of an account: these, with its own sections over them."""
        return self._of_accounts.get(name, self)

    @property
    def accounts_with_settings(self) -> frozenset[str]:
        """The names of the accounts that have sections of their own, whether they are here or not."""
        return frozenset(self._of_accounts)

    def account_folder(self, name: str = "default") -> AccountFolder:
        """The folder of the account with this local name (letters, digits, `_ . -`).

        Raises:
            InvalidArgument: The name is not usable as a folder.
        """
        if not is_account_name(name):
            raise InvalidArgument(
                f"{name!r} is not a valid account name.", "Use letters, digits, '_', '-' and '.'."
            )
        path = self.home / "accounts" / name
        vault = Vault(path, self.for_account(name).encryption.source(path))
        return AccountFolder(name, path, vault, self.in_database)

    def accounts(self) -> list[str]:
        """The names of the accounts that have a folder, sorted; a folder that cannot be one is none."""
        return accounts_in(self.home)


def own_faults_of_features(account: str, values: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the faults of feature sections in an account's own text: each a message and its path.

    Args:
        account: Its name.
        values: Of the text.
    """
    faults: list[tuple[str, ...]] = []
    faults += own_webhook_faults(account, values)
    return faults
