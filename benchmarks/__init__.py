"""Benchmarks; each reports ratios to a reference measured beside it: `python -m benchmarks [NAME …]`."""
