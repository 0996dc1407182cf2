"""What these tests share with those of the pages, on a device that has imports."""

import pytest

from tests.features.imports.web.importing_device import ImportingDevice
from tests.web.conftest import archive, http, source

__all__ = ["archive", "http", "source"]


@pytest.fixture
def device() -> ImportingDevice:
    """An online device."""
    return ImportingDevice()
