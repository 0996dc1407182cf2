"""Faults that keep a server from its work, each made for real, with what doctor must say and the way out."""
