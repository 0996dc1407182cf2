"""Reads `config.toml`, lays the environment over it, and then what one account has other than the rest.

A variable is named as `WHATSAPP_MCP_SERVER__PORT`. What an account has of its own stands in `config.toml`
under `[accounts.NAME.<section>]`; where a database has the account it stands there, as a text with the
sections at its top level. An error names the line or the variable.
"""

from __future__ import annotations

import copy
import os
import re
import tomllib
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

from pydantic import ValidationError

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.files.allowed_files import overlap
from whatsapp_mcp.files.home import HOME_VARIABLE, home_in, is_account_name
from whatsapp_mcp.settings.account_folder import sharing_of
from whatsapp_mcp.settings.sections import Settings, own_faults_of_features
from whatsapp_mcp.text.network_addresses import address_of, leads_here

ENV_PREFIX: Final = "WHATSAPP_MCP_"
CHAT_VARIABLE: Final = f"{ENV_PREFIX}CHAT"
"""Names the one chat that a server is bound to (`serve --chat`); no setting."""
PRINCIPAL_VARIABLE: Final = f"{ENV_PREFIX}PRINCIPAL"
"""Names the agent whose command starts a server, so that its callers count as that agent; no setting."""
_NO_SETTINGS: Final = frozenset({HOME_VARIABLE, CHAT_VARIABLE, PRINCIPAL_VARIABLE})
_FILE_ONLY: Final = ("account", "accounts", "agent", "encryption", "policy", "privacy", "voice", "webhooks")
ACCOUNTS: Final = "accounts"
PER_ACCOUNT: Final = frozenset(
    {
        "account",
        "agent",
        "encryption",
        "media",
        "network",
        "policy",
        "privacy",
        "retention",
        "voice",
        "webhooks",
    }
)
"""The sections that an account may have of its own."""
_OF_A_MACHINE: Final = frozenset({"agent", "encryption", "voice"})
"""Sections that name programs, files and secrets of the machine that runs them, and so are written there
alone."""
OWN_TEXT: Final = PER_ACCOUNT - _OF_A_MACHINE
"""The sections that a text of its own may have."""
_OF_A_DISK: Final = (
    ("media", "free_megabytes"),
    ("media", "total_megabytes"),
    ("media", "keep", "total_megabytes"),
)
"""Limits that only whoever runs the machine can know."""
_SAID: Final = {
    "extra_forbidden": "unknown setting",
    "model_type": "it is a section, not a value",
    "path_type": "it is not a path",
    "int_parsing": "it is not a whole number",
    "bool_parsing": "it must be true or false",
    "bool_type": "it must be true or false",
}
"""Sentences for pydantic's types of error."""
_CORRECT: Final = "Correct or remove it, then start again."


def overlay_environment(values: dict[str, Any]) -> None:
    """Override the values of `config.toml` with those of the environment.

    Raises:
        InvalidArgument: A variable names a section that only the file may set, or a section as a value.
    """
    for variable, value in os.environ.items():
        if not variable.startswith(ENV_PREFIX) or variable in _NO_SETTINGS:
            continue
        section, _, key = variable.removeprefix(ENV_PREFIX).lower().partition("__")
        if section in _FILE_ONLY:
            raise InvalidArgument(
                f"{variable} cannot be set by environment: any server may become the leader.",
                f"Write it into the [{section}] section of config.toml.",
            )
        if not key:
            values[section] = value
        elif isinstance(table := values.setdefault(section, {}), dict):
            table[key] = value
        else:
            raise InvalidArgument(f"{section}: it is a section, not a value.", f"Write [{section}] and keys.")


class FaultyOverride(ValueError):
    """An entry under `[accounts]` that is not a section of an account.

    Attributes:
        path: Where it stands: `("accounts", "work", "server")`.
    """

    def __init__(self, what: str, *path: str) -> None:
        super().__init__(what)
        self.path = path


def overrides_of(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Take the sections of each account out of the values of `config.toml`.

    Raises:
        FaultyOverride: One of them is no section, or none that an account may have of its own.
    """
    overrides: dict[str, dict[str, Any]] = {}
    for name, sections in _table(values.pop(ACCOUNTS, {}), ACCOUNTS).items():
        if not is_account_name(name):
            raise FaultyOverride("it is not a name of an account", ACCOUNTS, name)
        overrides[name] = _table(sections, ACCOUNTS, name)
        for section in overrides[name]:
            if section not in PER_ACCOUNT:
                raise FaultyOverride(
                    f"it is no section of an account, which has {', '.join(sorted(PER_ACCOUNT))}",
                    ACCOUNTS,
                    name,
                    section,
                )
    return overrides


def sections_of(values: dict[str, Any]) -> dict[str, Any]:
    """The sections in the values of an account's own text.

    Whoever writes it runs no machine, so it names nothing of one: no files, no limit of a disk, and no
    address that only the machine itself reaches.

    Raises:
        FaultyOverride: One of them is no section, or none that such a text may have; the path begins there.
    """
    for section in values:
        if section not in OWN_TEXT:
            raise FaultyOverride(f"the settings of an account have {', '.join(sorted(OWN_TEXT))}", section)
    if "roots" in _table(values.get("media", {}), "media"):
        raise FaultyOverride("folders of a machine are named in its config.toml alone", "media", "roots")
    for path in _OF_A_DISK:
        if _has(values, path):
            raise FaultyOverride("what the disk of a machine holds is said in its config.toml", *path)
    proxy = _table(values.get("network", {}), "network").get("proxy")
    if isinstance(proxy, str) and _is_of_the_machine(proxy):
        raise FaultyOverride(
            "a proxy at an address of the machine itself is named in its config.toml", "network", "proxy"
        )
    return values


def _has(values: object, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return False
        values = cast("dict[str, Any]", values)[key]
    return True


def _is_of_the_machine(url: str) -> bool:
    """Return whether a URL, as written, leads to this machine, or to a link-local or metadata service."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # which is said of the setting later
        return False
    if (address := address_of(host)) is not None:
        return leads_here(address)
    name = host.rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


def laid_over(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The shared values with those of an account over them, key by key; a list replaces the shared one."""
    merged = dict(shared)
    for key, value in own.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = laid_over(cast("dict[str, Any]", before), cast("dict[str, Any]", value))
        else:
            merged[key] = value
    return merged


def _table(value: object, *path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FaultyOverride("it is a section, not a value", *path)
    return cast("dict[str, Any]", value)


settings_model: Final = ContextVar[type[Settings]]("settings_model", default=Settings)
"""The settings of this program; another program has more of them."""


def load(home: Path | None = None, model: type[Settings] | None = None) -> Settings:
    """Read `config.toml` and the environment.

    Args:
        home: The home folder; else `WHATSAPP_MCP_HOME`, else the platform's user data folder.
        model: What can be set, if that is not `settings_model`.

    Raises:
        InvalidArgument: A key is unknown or a value invalid (the message names the line), or the home folder
            is on a network file system or synchronised.
    """
    folder = home.expanduser().absolute() if home else home_in(os.environ)
    settings = parse(folder, config_text(folder), model=model)
    if not settings.allow_network_home and (what := sharing_of(folder)) is not None:
        raise InvalidArgument(
            f"The home folder {folder} {what}: SQLite's locks do not hold there and its files get damaged.",
            f"Set {HOME_VARIABLE} to a folder on a disk of this computer. If the locks are known to hold "
            f"there, write `allow_network_home = true` into {folder / 'config.toml'}.",
        )
    return settings


def parse(
    home: Path, text: str, own: Mapping[str, str] | None = None, model: type[Settings] | None = None
) -> Settings:
    """The settings of a home folder whose `config.toml` holds this text, and of the environment.

    Args:
        home: The home folder.
        text: Of `config.toml`.
        own: The text of single accounts, by name: their sections, which are laid over all others.
        model: What can be set, if that is not `settings_model`.

    Raises:
        InvalidArgument: As `load`.
    """
    config = str(home / "config.toml")
    model = model or settings_model.get()
    values = _toml(text, config)
    if "home" in values:
        raise InvalidArgument(f"{config}: 'home' cannot be set here.", f"Set {HOME_VARIABLE} instead.")
    try:
        overrides = overrides_of(values)
    except FaultyOverride as error:
        raise _misplaced(error, config, text) from error
    # The shared settings first: what is wrong in them is not said of an account.
    settings = _Reading(model, home, text, config).settings(values)
    accounts = {
        name: _Reading(model, home, text, config, ("accounts", name)).settings(laid_over(values, sections))
        for name, sections in overrides.items()
    }
    for name, own_text in (own or {}).items():
        below = laid_over(values, overrides.get(name, {}))
        accounts[name] = _with_own(model, home, below, own_text, name)
    return settings.with_accounts(accounts)


def _with_own(model: type[Settings], home: Path, below: Mapping[str, Any], text: str, name: str) -> Settings:
    """The settings of an account whose own text is laid over others."""
    source = f"the settings of {name}"
    try:
        sections = sections_of(_toml(text, source))
        for what, *path in own_faults_of_features(name, sections):
            raise FaultyOverride(what, *path)
    except FaultyOverride as error:
        raise _misplaced(error, source, text) from error
    return _Reading(model, home, text, source).settings(laid_over(below, sections))


def check_own_text(home: Path, name: str, text: str, model: type[Settings] | None = None) -> None:
    """Check that a text can be the settings of an account, over the `config.toml` of this home folder.

    Raises:
        InvalidArgument: It cannot; the error names the line.
    """
    parse(home, config_text(home), {name: text}, model)


def _toml(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidArgument(f"{source} is not valid TOML: {error}.", "Correct that line.") from error


def _misplaced(error: FaultyOverride, source: str, text: str) -> InvalidArgument:
    path = list(error.path)
    return InvalidArgument(f"{'.'.join(path)}: {error} ({_place_of(path, source, text)}).", _CORRECT)


class _Reading(NamedTuple):
    """One reading of a text: of the shared settings, or of those of an account.

    Attributes:
        model: What can be set.
        source: What the text is called in an error.
        above: Where the settings of the account stand: `("accounts", "work")`.
    """

    model: type[Settings]
    home: Path
    text: str
    source: str
    above: tuple[str, ...] = ()

    def settings(self, values: Mapping[str, Any]) -> Settings:
        """The settings with these values of the text, and of the environment.

        Raises:
            InvalidArgument: A value is invalid.
        """
        # The environment is laid over them in place, and the readings of all accounts share their tables.
        values = copy.deepcopy(dict(values))
        overlay_environment(values)
        try:
            settings = self.model.model_validate({**values, "home": self.home})
        except ValidationError as error:
            raise InvalidArgument(*self._explain(error)) from error
        for root in settings.media.roots:
            if (what := overlap(root, self.home)) is not None:
                place = _place_of(["media", "roots"], self.source, self.text, self.above)
                raise InvalidArgument(
                    f"{'.'.join((*self.above, 'media', 'roots'))}: {root} {what} ({place}).",
                    "Name the folders whose files may be sent, such as ~/Documents.",
                )
        return settings

    def _explain(self, error: ValidationError) -> tuple[str, str]:
        first = error.errors()[0]
        path = [part for part in first["loc"] if isinstance(part, str)]
        said = first["msg"].removeprefix("Value error, ")
        what = _SAID.get(first["type"], said[:1].lower() + said[1:])
        place = _place_of(path, self.source, self.text, self.above)
        return f"{'.'.join((*self.above, *path))}: {what} ({place}).", _CORRECT


class FileVersion(NamedTuple):
    """The facts by which two versions of a file differ; times in nanoseconds since 1970."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @property
    def newest_ns(self) -> int:
        """The later of its times: on Windows the second is when the file was made."""
        return max(self.modified_ns, self.changed_ns)


def file_version(path: Path) -> FileVersion | None:
    """Return the version of a file; None where it cannot be told."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return FileVersion(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def config_text(home: Path) -> str:
    """The text of `config.toml`; nothing where there is none.

    Raises:
        InvalidArgument: It cannot be read.
    """
    config = home / "config.toml"
    try:
        # Editors on Windows may put a byte order mark first.
        return config.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise InvalidArgument(
            f"{config} cannot be read: {error.strerror}.", "Make it a file that you can read."
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{config} is not UTF-8 text.", "Save it as UTF-8.") from error


def _place_of(path: list[str], source: str, text: str, above: tuple[str, ...] = ()) -> str:
    variable = ENV_PREFIX + "__".join(path).upper()
    if variable in os.environ:
        return f"environment variable {variable}"
    line = _line_of([*above, *path], text) or _line_of(path, text)
    return f"{source}, line {line}" if line else source


def _line_of(path: list[str], text: str) -> int | None:
    """The line that sets a key, or that opens its section; None when neither is found."""
    section: list[str] = []
    section_line = None
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([\w.-]+)\s*\]", line):
            section = header[1].split(".")
            if section == path[: len(section)] or (section_line is None and section[: len(path)] == path):
                section_line = number
        key = re.match(r"\s*([\w-]+)\s*[=.]", line)
        if key and [*section, key[1]] == path[: len(section) + 1]:
            return number
    return section_line
