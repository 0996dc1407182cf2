"""Workflows, forms and hooks are well-formed, and what they call exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.releasing.checkout import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")


def loaded(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    return loaded(path)["jobs"]


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(path).values() for step in job["steps"]]


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_there_is_a_workflow_for_changes_for_weeks_and_for_releases() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "release", "weekly"]


def test_every_target_of_make_that_a_workflow_runs_exists(workflow: Path) -> None:
    runs = "\n".join(step.get("run", "") for step in steps(workflow))
    called = set(re.findall(r"\bmake ([a-z][a-z-]*)", runs))
    assert called
    assert called <= TARGETS


def test_every_file_that_a_workflow_installs_from_exists(workflow: Path) -> None:
    runs = "\n".join(step.get("run", "") for step in steps(workflow))
    assert [name for name in re.findall(r"requirements/\S+", runs) if not (ROOT / name).is_file()] == []


def test_every_action_is_pinned_by_its_commit_and_names_its_version(workflow: Path) -> None:
    text = workflow.read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if "uses:" in line]
    assert lines
    assert [
        line for line in lines if not re.fullmatch(rf"- uses: {PINNED.pattern} # v\d+\.\d+\.\d+", line)
    ] == []


def test_one_action_has_one_commit_everywhere() -> None:
    used = {step["uses"] for path in WORKFLOWS for step in steps(path) if "uses" in step}
    assert len({use.partition("@")[0] for use in used}) == len(used)


def test_a_workflow_may_only_read_unless_a_job_says_otherwise(workflow: Path) -> None:
    assert loaded(workflow)["permissions"] == {"contents": "read"}


def test_every_job_ends(workflow: Path) -> None:
    assert [name for name, job in jobs(workflow).items() if not 0 < job.get("timeout-minutes", 0) <= 60] == []


def test_no_checkout_leaves_its_credentials_to_what_runs_after_it(workflow: Path) -> None:
    checkouts = [step for step in steps(workflow) if "actions/checkout" in step.get("uses", "")]
    assert [step for step in checkouts if step["with"]["persist-credentials"] is not False] == []


def test_a_job_that_may_write_to_the_repository_runs_no_code_of_packages(workflow: Path) -> None:
    writing = [
        job for job in jobs(workflow).values() if job.get("permissions", {}).get("contents") == "write"
    ]
    runs = "\n".join(step.get("run", "") for job in writing for step in job["steps"])
    assert re.findall(r"^\s*(?!git |gh |commit |--body )\S+", runs, re.MULTILINE) == []


def test_lock_files_are_updated_from_wheels_whose_metadata_runs_no_code() -> None:
    runs = [step.get("run", "") for step in jobs(GITHUB / "workflows" / "weekly.yml")["locks"]["steps"]]
    resolving = [run for run in runs if re.search(r"make lock|pip install", run)]
    assert len(resolving) == 2
    assert [run for run in resolving if "--only-binary :all:" not in run] == []


def test_nothing_that_a_stranger_chose_is_put_into_a_script(workflow: Path) -> None:
    """https://docs.github.com/en/actions/concepts/security/script-injections"""
    assert [step for step in steps(workflow) if "${{" in step.get("run", "")] == []


def test_every_supported_python_is_tested_on_every_system() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = project["requires-python"].removeprefix(">=")
    for name in ("test", "test-elsewhere"):
        matrix = jobs(GITHUB / "workflows" / "ci.yml")[name]["strategy"]["matrix"]
        assert matrix["python"] == [lowest, "3.12", "3.13", "3.14"]
        assert len(matrix["system"]) == 2


def test_only_the_publishing_job_can_ask_the_package_index_for_trust() -> None:
    found = jobs(GITHUB / "workflows" / "release.yml")
    publishing = [
        name
        for name, job in found.items()
        if any("pypi-publish" in step.get("uses", "") for step in job["steps"])
    ]
    assert publishing == ["package"]
    assert found["package"]["permissions"] == {"id-token": "write"}
    assert found["package"]["environment"] == "pypi"
    assert "${{ secrets." not in (GITHUB / "workflows" / "release.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_a_form_has_what_github_asks_for(form: Path) -> None:
    """https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-issue-forms"""
    content = loaded(form)
    assert {"name", "description", "body"} <= content.keys()
    asked = [part for part in content["body"] if part["type"] != "markdown"]
    names = [part["id"] for part in asked]
    assert len(set(names)) == len(names)
    assert {part["type"] for part in asked} <= {"textarea", "input", "checkboxes", "dropdown"}
    assert [part for part in asked if not part["attributes"].get("label")] == []


@pytest.mark.parametrize("name", ["bug", "host"])
def test_a_report_of_a_defect_asks_for_the_bundle_of_the_doctor(name: str) -> None:
    [bundle] = [
        part
        for part in loaded(GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml")["body"]
        if part.get("id") == "bundle"
    ]
    assert "whatsapp-mcp doctor --bundle" in bundle["attributes"]["description"]
    assert bundle["validations"] == {"required": True}


def test_dependabot_watches_folders_that_exist() -> None:
    for update in loaded(GITHUB / "dependabot.yml")["updates"]:
        for folder in update.get("directories", [update.get("directory")]):
            place = ROOT / folder.strip("/")
            expected = {
                "npm": ["package-lock.json"],
                "docker": ["Dockerfile", "kustomization.yaml"],
                "docker-compose": ["compose.yaml"],
                "github-actions": [".github"],
            }
            # Of a pattern, some folders may have none.
            assert "*" in folder or any(
                (place / name).exists() for name in expected[update["package-ecosystem"]]
            )


def test_hooks_run_what_is_installed_here_alone() -> None:
    [repository] = loaded(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/")
        for path in re.findall(r"tests/\S+\.py", hook["entry"]):
            assert (ROOT / path).is_file()
