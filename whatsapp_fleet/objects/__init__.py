"""Bodies of snapshots and files outside the database: in a bucket, or in a folder that the nodes share."""

from whatsapp_fleet.objects.places import Bucket, Folder, ObjectBackend
from whatsapp_fleet.objects.store import NotThisStore, ObjectStore, Prefix, StoreFailed, open_objects

__all__ = [
    "Bucket",
    "Folder",
    "NotThisStore",
    "ObjectBackend",
    "ObjectStore",
    "Prefix",
    "StoreFailed",
    "open_objects",
]
