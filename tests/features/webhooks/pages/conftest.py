"""What the tests of the pages of webhooks share with those of other pages."""

from tests.web.conftest import archive, device, http, source

__all__ = ["archive", "device", "http", "source"]
