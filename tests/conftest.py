"""What every test shares."""

import pytest
from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)  # a busy machine is no defect
settings.load_profile("no-deadline")

pytest_plugins = ["tests.fixtures"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run every async test on asyncio, the one loop this project runs on."""
    return "asyncio"
