"""Abilities that can be left out: each folder is one, with all of its layers, and knows the core alone."""
