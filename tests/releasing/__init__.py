"""The release: what it refuses, what it builds, and that what it builds works."""
