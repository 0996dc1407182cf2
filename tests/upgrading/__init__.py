"""Stored state of earlier versions, opened by this one; and state of later versions, refused."""
