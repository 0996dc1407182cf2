"""What the tests of replicas share with those of the server."""

from tests.server.conftest import archive, client, device, linked, source

__all__ = ["archive", "client", "device", "linked", "source"]
