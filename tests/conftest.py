"""What every test shares."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)  # a busy machine is no defect
settings.load_profile("no-deadline")

pytest_plugins = ["tests.fixtures"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run every async test on asyncio, the one loop this project runs on."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _own_log_levels() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]  pytest calls it
    """What a command sets in this process, as `serve` does for its own, is set back after the test."""
    loggers = [logging.getLogger(name) for name in ("", "whatsapp_mcp")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
