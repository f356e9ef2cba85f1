"""Measurements against peers in the same run. Each prints a table; none asserts a time."""
