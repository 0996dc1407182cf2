"""What a release refuses, each with what to do about it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from release import changelog
from release.project import Project, number


@dataclass(frozen=True, slots=True)
class Repository:
    """What git says of a checkout.

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
    reasons += [f"CHANGELOG.md: {problem}" for problem in changelog.problems(log)]
    if changelog.notes(log, version) is None:
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
