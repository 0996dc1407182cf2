"""What `pyproject.toml` says of the project: the one source of the names and addresses of a release."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VERSION_FILE: Final = Path("whatsapp_mcp", "__init__.py")
_VERSION: Final = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_RELEASE: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


@dataclass(frozen=True, slots=True)
class Project:
    """The published facts; `urls` is empty until the project has a home."""

    name: str
    version: str
    description: str
    licence: str
    author: str
    requires_python: str
    keywords: tuple[str, ...]
    urls: dict[str, str]

    @property
    def file_name(self) -> str:
        """The name as wheels and source archives spell it."""
        return self.name.replace("-", "_")

    @property
    def repository(self) -> str | None:
        """The address of the repository, without a slash at its end."""
        found = self.urls.get("Repository")
        return found.rstrip("/") if found else None


def load(root: Path) -> Project:
    """Read the project of a checkout.

    Raises:
        ValueError: `pyproject.toml` or the version is not as expected.
    """
    table = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Project(
        name=table["name"],
        version=_version(root)[1],
        description=table["description"],
        licence=table["license"],
        author=table["authors"][0]["name"],
        requires_python=table["requires-python"],
        keywords=tuple(table["keywords"]),
        urls=dict(table.get("urls", {})),
    )


def number(version: str) -> tuple[int, int, int]:
    """`MAJOR.MINOR.PATCH` as numbers that compare.

    Raises:
        ValueError: It is written in another way.
    """
    if not (match := _RELEASE.fullmatch(version)):
        raise ValueError(f"{version} is not MAJOR.MINOR.PATCH")
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch)


def set_version(root: Path, version: str) -> None:
    """Write the version where the whole project reads it from.

    Raises:
        ValueError: There is no version to replace.
    """
    text, former = _version(root)
    (root / VERSION_FILE).write_text(text.replace(f'"{former}"', f'"{version}"', 1), encoding="utf-8")


def _version(root: Path) -> tuple[str, str]:
    """The text of the file with the version, and the version."""
    text = (root / VERSION_FILE).read_text(encoding="utf-8")
    found = _VERSION.search(text)
    if not found:
        raise ValueError(f"{VERSION_FILE} has no __version__")
    return text, found.group(1)
