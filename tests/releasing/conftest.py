"""One built release for all tests that look into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from release.build import build, with_version
from release.checks import load, repository
from tests.releasing.checkout import VERSION, clone

REPOSITORY = "https://github.com/example/whatsapp"


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a release of a project that has a repository, by name."""
    checkout = clone(tmp_path_factory.mktemp("published") / "checkout", repository=REPOSITORY)
    return build(checkout, with_version(load(checkout), VERSION), repository(checkout))


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without addresses, as this one; tests do not change it."""
    return clone(tmp_path_factory.mktemp("clone") / "checkout")
