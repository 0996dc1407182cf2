"""Contents of a release, and the problems that prevent one, each with what to do about it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Final

VERSION_FILE: Final = Path("whatsapp_mcp", "__init__.py")
_VERSION: Final = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_RELEASE: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
UNRELEASED: Final = "Unreleased"
KINDS: Final = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
"""Kinds of changes; the words of keepachangelog.com."""
_RELEASED: Final = re.compile(r"(\d+\.\d+\.\d+) - (\d{4}-\d{2}-\d{2})")


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


@dataclass(frozen=True, slots=True)
class Repository:
    """State of a git checkout.

    Attributes:
        commit: The full hash of its newest commit.
        time: When that was committed, in seconds since 1970.
        changed: Files that differ from it or that git does not know.
        tags: All tags.
        tags_here: Those of the newest commit.
    """

    commit: str
    time: int
    changed: tuple[str, ...]
    tags: frozenset[str]
    tags_here: frozenset[str]


def repository(root: Path) -> Repository:
    """Ask git.

    Raises:
        CalledProcessError: `root` is no git checkout, or has no commit.
    """
    commit, time = git(root, "log", "-1", "--format=%H %ct").split()
    return Repository(
        commit=commit,
        time=int(time),
        changed=tuple(line[3:] for line in git(root, "status", "--porcelain").splitlines()),
        tags=frozenset(git(root, "tag").split()),
        tags_here=frozenset(git(root, "tag", "--points-at", "HEAD").split()),
    )


def git(root: Path, *arguments: str) -> str:
    """Run git in a checkout and return what it printed."""
    return subprocess.run(
        ["git", *arguments], cwd=root, check=True, capture_output=True, text=True, timeout=120
    ).stdout


def tag_of(version: str) -> str:
    """The tag of a version."""
    return f"v{version}"


def refusals(
    project: Project,
    found: Repository,
    version: str,
    log: str,
    *,
    has_home: bool,
    dry_run: bool,
    tagged: bool,
) -> list[str]:
    """Why this version cannot be released from here, one sentence each; empty if it can.

    Args:
        project: What is to be released.
        found: The state of its repository.
        version: The version to release.
        log: The text of the changelog.
        has_home: What this version stores is kept, for tests of later ones.
        dry_run: Nothing is tagged and nothing will be published.
        tagged: The tag is already there, on the newest commit, and is built again.
    """
    reasons = _about_version(project, found, version, tagged=tagged)
    if not dry_run and not project.urls:
        reasons.append(
            "[project.urls] in pyproject.toml is empty: what is published would lead nowhere. Add Repository."
        )
    elif not dry_run and project.repository is None:
        reasons.append("[project.urls] has no Repository, from which the name in the registry follows.")
    if found.changed:
        reasons.append(f"Files differ from the newest commit: {', '.join(found.changed[:5])}. Commit them.")
    reasons += [f"CHANGELOG.md: {problem}" for problem in problems(log)]
    if notes(log, version) is None:
        reasons.append(f"CHANGELOG.md has no section '## {version} - DATE'. Say there what has changed.")
    if not has_home:
        reasons.append(
            f"What {version} stores is not kept for the tests of later versions. "
            f"Run python -m tests.upgrading.homes {version} and commit the file."
        )
    return reasons


def _about_version(project: Project, found: Repository, version: str, *, tagged: bool) -> list[str]:
    try:
        wanted = number(version)
    except ValueError:
        return [f"{version} is not MAJOR.MINOR.PATCH."]
    if tagged:
        right = tag_of(version) in found.tags_here and project.version == version
        return [] if right else [f"The newest commit is not the one of {tag_of(version)}."]
    if tag_of(version) in found.tags:
        return [f"The tag {tag_of(version)} exists. Take a higher version."]
    former = max([project.version, *_released(found.tags)], key=number)
    return [f"{version} is lower than {former}."] if wanted < number(former) else []


def _released(tags: frozenset[str]) -> list[str]:
    """The versions among tags."""
    versions: list[str] = []
    for tag in tags:
        try:
            number(tag.removeprefix("v"))
        except ValueError:
            continue
        versions.append(tag.removeprefix("v"))
    return versions


@dataclass(frozen=True, slots=True)
class Section:
    """The part of a changelog below one heading of the second level."""

    title: str
    body: str

    @property
    def version(self) -> str | None:
        """The version; None for `Unreleased` and for a malformed heading."""
        found = _RELEASED.fullmatch(self.title)
        return found.group(1) if found else None


def sections(text: str) -> list[Section]:
    """The sections in the order of the file."""
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)[1:]
    return [Section(title.strip(), body.strip()) for title, body in zip(parts[::2], parts[1::2], strict=True)]


def notes(text: str, version: str) -> str | None:
    """Return the changes of a version; None if the changelog has no section for it."""
    return next((one.body for one in sections(text) if one.version == version), None)


def problems(text: str) -> list[str]:
    """Everything that is wrong with the form of a changelog, one sentence each."""
    found = sections(text)
    wrong = [] if text.startswith("# Changelog\n") else ["The first line is not '# Changelog'."]
    if [one.title for one in found].count(UNRELEASED) != 1 or found[0].title != UNRELEASED:
        wrong.append(f"The first section is not '## {UNRELEASED}', or there are two.")
    released = [one for one in found if one.title != UNRELEASED]
    wrong += [
        f"'## {one.title}' is not '## MAJOR.MINOR.PATCH - YYYY-MM-DD'."
        for one in released
        if one.version is None or _day(one) is None
    ]
    wrong += [
        f"'## {later.title}' does not come after '## {earlier.title}'."
        for later, earlier in pairwise(one for one in released if one.version and _day(one))
        if number(later.version or "") <= number(earlier.version or "")
        or (_day(later) or date.min) < (_day(earlier) or date.max)
    ]
    return wrong + [problem for one in found for problem in _problems_of(one)]


def _day(section: Section) -> date | None:
    found = _RELEASED.fullmatch(section.title)
    try:
        return date.fromisoformat(found.group(2)) if found else None
    except ValueError:
        return None


def _problems_of(section: Section) -> list[str]:
    parts = re.split(r"^### (.*)$", section.body, flags=re.MULTILINE)
    kinds, lists = parts[1::2], parts[2::2]
    wrong = [
        f"{section.title}: '### {kind}' is not one of {', '.join(KINDS)}."
        for kind in kinds
        if kind not in KINDS
    ]
    wrong += [
        f"{section.title}: '### {kind}' has no list."
        for kind, items in zip(kinds, lists, strict=True)
        if not re.search(r"^\* \S", items, re.MULTILINE)
    ]
    if parts[0].strip():
        wrong.append(f"{section.title}: there is text before the first '###'.")
    if not kinds and section.title != UNRELEASED:
        wrong.append(f"{section.title} says nothing.")
    return wrong
