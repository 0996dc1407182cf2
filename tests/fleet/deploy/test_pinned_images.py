"""What is deployed is named by its content."""

from __future__ import annotations

import re

from tests.fleet.deploy.test_kubernetes import KUSTOMIZATION
from tests.releasing.test_pinned import images


def test_the_images_of_the_deployments_are_among_those_that_have_to_have_a_digest() -> None:
    places = {place for place, _ in images()}
    assert {"deploy/compose/compose.yaml", "deploy/kubernetes/postgres.yaml"} <= places


def test_the_image_of_whoever_deploys_is_named_by_its_digest_too() -> None:
    [image] = KUSTOMIZATION["images"]
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", image["digest"])
    assert "newTag" not in image
