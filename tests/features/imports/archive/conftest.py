"""What these tests share with those of the archive."""

from tests.archive.conftest import archive, archives, folder, folders

__all__ = ["archive", "archives", "folder", "folders"]
