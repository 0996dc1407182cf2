"""What every test shares."""

import pytest

pytest_plugins = ["tests.fixtures"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run every async test on asyncio, the one loop this project runs on."""
    return "asyncio"
