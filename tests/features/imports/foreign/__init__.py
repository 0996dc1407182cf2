"""Archives of other programs, read through the confined process."""
