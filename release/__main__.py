"""`python -m release VERSION`: a rehearsal by default, which publishes nothing and changes no tracked file.

--commit writes the version, commits and tags it; --tagged builds what is tagged, in the publishing workflow.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Final

from release.build import SUMS, build, with_version
from release.checks import VERSION_FILE, Project, git, load, refusals, repository, set_version, tag_of

ROOT: Final = Path(__file__).parent.parent


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command; return its exit code: 0 done, 1 refused."""
    asked = _parser().parse_args(arguments)
    version, target = str(asked.version), Path(asked.output or root / "dist")
    project, found = load(root), repository(root)
    log = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    dry_run = not (asked.commit or asked.tagged)
    home = root / "tests" / "upgrading" / f"{version}.tar.xz"
    reasons = refusals(
        project, found, version, log, has_home=home.is_file(), dry_run=dry_run, tagged=asked.tagged
    )
    if target.is_dir() and any(target.iterdir()) and not (target / SUMS).is_file():
        reasons.append(f"{target} holds what no release made. Empty it, or give another --output.")
    if reasons:
        print(
            "\n".join((f"{version} is not released:", *(f"* {reason}" for reason in reasons))),
            file=sys.stderr,
        )
        return 1
    if asked.commit and project.version != version:
        set_version(root, version)
        git(root, "commit", "-qm", f"Release {version}", str(VERSION_FILE))
        found = repository(root)
    made = build(root, with_version(project, version), found)
    write(made, target)
    if asked.commit:
        git(root, "tag", "-a", tag_of(version), "-m", f"Release {version}")
    _summarize(made, target)
    _say_what_is_next(project, version, dry_run=dry_run, commit=asked.commit)
    return 0


def write(made: dict[str, bytes], target: Path) -> None:
    """Write the files of a release into a folder, in place of those of a former one."""
    target.mkdir(parents=True, exist_ok=True)
    for former in target.iterdir():
        if former.is_file():
            former.unlink()
    for name, content in made.items():
        (target / name).write_bytes(content)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    parser.add_argument("version", metavar="VERSION", help="MAJOR.MINOR.PATCH")
    parser.add_argument("--output", metavar="FOLDER", help="where the files go; dist/ by default")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--commit", action="store_true", help="commit the version and tag it, locally")
    what.add_argument("--tagged", action="store_true", help="build what is tagged with this version")
    return parser


def _summarize(made: dict[str, bytes], target: Path) -> None:
    for line in made[SUMS].decode().splitlines():
        digest, name = line.split("  ")
        print(f"{digest}  {len(made[name]):>10,}  {target / name}")


def _say_what_is_next(project: Project, version: str, *, dry_run: bool, commit: bool) -> None:
    if dry_run:
        print(f"A rehearsal: nothing is tagged. To release: make release VERSION={version} ARGS=--commit")
        if not project.urls:
            print("That will be refused as long as [project.urls] in pyproject.toml is empty.")
    elif commit:
        print(f"To publish: {shlex.join(['git', 'push', 'origin', 'HEAD', tag_of(version)])}")


if __name__ == "__main__":
    sys.exit(main())
