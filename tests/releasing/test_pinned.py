"""What is run to build, check and deploy is named by its content: images by digest, tools by hash."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
DIGEST: Final = re.compile(r"[\w./-]+(:[\w.-]+)?@sha256:[0-9a-f]{64}")
FILES: Final = sorted(
    path for pattern in ("*.yaml", ".github/**/*.yml", "deploy/**/*.y*ml") for path in ROOT.glob(pattern)
)


def values_of(node: Any, *names: str) -> Iterator[str]:
    """The texts under these keys, at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in names and isinstance(value, str):
                yield value
            yield from values_of(value, *names)
    elif isinstance(node, list):
        for each in node:
            yield from values_of(each, *names)


def images() -> Iterator[tuple[str, str]]:
    """Every image that is named anywhere, with the file that names it."""
    for path in FILES:
        # Names that whoever deploys has others put in the place of.
        renamed = path.with_name("kustomization.yaml")
        own = (
            {image["name"] for image in yaml.safe_load(renamed.read_text(encoding="utf-8"))["images"]}
            if renamed.exists()
            else set[str]()
        )
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            for name in values_of(document, "image", "imageName"):
                if name not in own:
                    yield path.relative_to(ROOT).as_posix(), name
    for path in ROOT.glob("Dockerfile*"):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"^(?:FROM|# *syntax=) *(\S+)", text, re.MULTILINE | re.IGNORECASE):
            yield path.name, name
        stages = set(re.findall(r"^FROM .* AS (\S+)", text, re.MULTILINE | re.IGNORECASE))
        for name in re.findall(r"--from=(\S+)", text):
            if name not in stages:
                yield path.name, name


def test_every_image_is_named_by_its_digest() -> None:
    found = [*images()]
    assert "Dockerfile" in {place for place, _ in found}
    assert [each for each in found if not DIGEST.fullmatch(each[1])] == []


def test_one_image_has_one_digest_everywhere() -> None:
    used = {name.partition("@") for _, name in images()}
    assert len({name for name, _, _ in used}) == len(used)


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.stem
)
def test_a_workflow_installs_packages_by_their_hashes(path: Path) -> None:
    runs = values_of(yaml.safe_load(path.read_text(encoding="utf-8")), "run")
    installs = [
        line for run in runs for line in run.splitlines() if re.search(r"\b(pip|npm|uv|pipx) .*install", line)
    ]
    by_content = ("--require-hashes -r requirements/", "--no-deps --no-build-isolation --editable .")
    assert [line for line in installs if not any(each in line for each in by_content)] == []
    others = r"\b(curl|wget|npx|uvx|pipx run|docker run|gem install|cargo install|go install)\b"
    assert re.search(others, path.read_text(encoding="utf-8")) is None


def test_every_lock_file_has_hashes() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        packages = re.split(r"\n(?=\S)", path.read_text(encoding="utf-8").strip())
        assert [package for package in packages if "--hash=sha256:" not in package] == [], path.name
