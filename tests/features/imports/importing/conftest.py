"""What these tests share with those of the device."""

from tests.device.conftest import folder, folders, lead, leader, linked, wa

__all__ = ["folder", "folders", "lead", "leader", "linked", "wa"]
