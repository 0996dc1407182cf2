"""What the tests of the HTTP API share with those of servers of several accounts."""

from tests.server.test_limited_principals import three, two

__all__ = ["three", "two"]
