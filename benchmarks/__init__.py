"""Figures, as ratios to something that runs beside them: `python -m benchmarks [NAME …]`."""
