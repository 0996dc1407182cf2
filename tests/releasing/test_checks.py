"""What a release refuses."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from release.__main__ import main
from release.checks import Project, Repository, git, load, number, refusals, repository, set_version
from tests.releasing.checkout import VERSION, clone, commit
from tests.releasing.test_changelog import TEXT
from tests.tables import for_each

PROJECT = Project(
    name="thing",
    version="1.0.0",
    description="It does things.",
    licence="MIT",
    author="Somebody",
    requires_python=">=3.11",
    keywords=(),
    urls={"Repository": "https://github.com/example/thing"},
)
CLEAN = Repository("a" * 40, 1_790_000_000, (), frozenset({"v1.0.0", "nightly"}), frozenset())


def refused(
    version: str = "1.1.0",
    project: Project = PROJECT,
    found: Repository = CLEAN,
    log: str = TEXT,
    *,
    has_home: bool = True,
    dry_run: bool = False,
    tagged: bool = False,
) -> list[str]:
    return refusals(project, found, version, log, has_home=has_home, dry_run=dry_run, tagged=tagged)


def test_a_higher_version_with_a_section_in_a_clean_checkout_is_released() -> None:
    assert refused() == []


def test_without_addresses_only_a_rehearsal_is_possible() -> None:
    homeless = replace(PROJECT, urls={})
    assert refused(project=homeless, dry_run=True) == []
    assert refused(project=homeless) == [
        "[project.urls] in pyproject.toml is empty: what is published would lead nowhere. Add Repository."
    ]


def test_addresses_without_the_repository_are_not_enough() -> None:
    [told] = refused(project=replace(PROJECT, urls={"Homepage": "https://example.org"}))
    assert told.startswith("[project.urls] has no Repository")


def test_a_changed_file_is_refused_by_its_name() -> None:
    [told] = refused(found=replace(CLEAN, changed=("README.md",)))
    assert told == "Files differ from the newest commit: README.md. Commit them."


def test_a_tag_that_exists_is_refused() -> None:
    [told] = refused("1.0.0")
    assert told == "The tag v1.0.0 exists. Take a higher version."


@pytest.mark.parametrize(("written", "tags"), [("1.2.0", {"v1.0.0"}), ("1.0.0", {"v1.0.0", "v1.2.0"})])
def test_a_version_that_does_not_grow_is_refused(written: str, tags: set[str]) -> None:
    [told] = refused(project=replace(PROJECT, version=written), found=replace(CLEAN, tags=frozenset(tags)))
    assert told == "1.1.0 is lower than 1.2.0."


def test_the_version_that_is_written_already_can_be_the_first_one_released() -> None:
    assert refused("1.0.0", found=replace(CLEAN, tags=frozenset())) == []


@for_each("version", ["1.1", "v1.1.0", "1.1.0rc1", "01.1.0"])
def test_a_version_in_another_form_is_refused(version: str) -> None:
    assert refused(version)[0] == f"{version} is not MAJOR.MINOR.PATCH."


def test_a_version_without_notes_is_refused() -> None:
    [told] = refused("1.2.0")
    assert told == "CHANGELOG.md has no section '## 1.2.0 - DATE'. Say there what has changed."


def test_a_version_whose_stored_state_is_not_kept_is_refused() -> None:
    [told] = refused(has_home=False)
    assert "Run python -m tests.upgrading.homes 1.1.0 and commit the file." in told


def test_a_changelog_out_of_form_is_refused() -> None:
    [told] = refused(log=TEXT.replace("### Fixed", "### Mended"))
    assert told.startswith("CHANGELOG.md: 1.1.0 - 2026-10-02: '### Mended'")


def test_what_is_tagged_is_built_only_from_the_commit_of_its_tag() -> None:
    here = replace(CLEAN, tags=frozenset({"v1.1.0"}), tags_here=frozenset({"v1.1.0"}))
    released = replace(PROJECT, version="1.1.0")
    assert refused(project=released, found=here, tagged=True) == []
    for project, found in ((released, CLEAN), (PROJECT, here)):
        assert refused(project=project, found=found, tagged=True) == [
            "The newest commit is not the one of v1.1.0."
        ]


def test_numbers_compare_as_numbers() -> None:
    assert number("1.10.0") > number("1.9.9")


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    return clone(tmp_path / "checkout", repository="https://github.com/example/whatsapp")


def test_git_is_asked_for_changed_and_unknown_files_and_tags(fresh: Path) -> None:
    assert repository(fresh).changed == ()
    git(fresh, "tag", "v0.0.1")
    (fresh / "README.md").write_text("other", encoding="utf-8")
    (fresh / "new.txt").write_text("new", encoding="utf-8")
    found = repository(fresh)
    assert (set(found.changed), found.tags, found.tags_here) == (
        {"README.md", "new.txt"},
        {"v0.0.1"},
        {"v0.0.1"},
    )


def test_a_refused_release_exits_with_1_and_says_all_reasons(
    fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (fresh / "new.txt").write_text("new", encoding="utf-8")
    assert main(["0.0.1"], fresh) == 1
    told = capsys.readouterr().err
    assert told.splitlines()[0] == "0.0.1 is not released:"
    assert len(told.splitlines()) == 5
    assert not (fresh / "dist").exists()


def test_a_folder_of_other_files_is_not_emptied(
    fresh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine" / "letter.txt"
    mine.parent.mkdir()
    mine.write_text("x", encoding="utf-8")

    assert main(["0.1.0", "--output", str(mine.parent)], fresh) == 1
    assert "holds what no release made" in capsys.readouterr().err
    assert mine.exists()


def test_commit_writes_the_version_commits_and_tags_it(
    fresh: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"AUTHOR": "A", "COMMITTER": "A"}.items():
        monkeypatch.setenv(f"GIT_{name}_NAME", value)
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@example.org")
    log = fresh / "CHANGELOG.md"
    log.write_text(log.read_text(encoding="utf-8").replace(VERSION, "0.2.0"), encoding="utf-8")
    homes = fresh / "tests" / "upgrading"
    shutil.copy(homes / f"{VERSION}.tar.xz", homes / "0.2.0.tar.xz")
    commit(fresh)
    assert main(["0.2.0", "--commit"], fresh) == 0
    assert load(fresh).version == "0.2.0"
    assert repository(fresh).tags_here == {"v0.2.0"}
    assert git(fresh, "log", "-1", "--format=%s") == "Release 0.2.0\n"
    assert "git push origin HEAD v0.2.0" in capfd.readouterr().out
    assert main(["0.2.0", "--tagged"], fresh) == 0


def test_a_version_that_is_not_there_cannot_be_set(tmp_path: Path) -> None:
    (tmp_path / "whatsapp_mcp").mkdir()
    (tmp_path / "whatsapp_mcp" / "__init__.py").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="has no __version__"):
        set_version(tmp_path, "1.0.0")
