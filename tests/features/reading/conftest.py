"""What the tests of reading share with those of the device."""

from tests.device.conftest import folder, lead, leader, linked, wa

__all__ = ["folder", "lead", "leader", "linked", "wa"]
