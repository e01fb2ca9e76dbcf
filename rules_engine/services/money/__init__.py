"""Payments and plans: matched, classed, credited to managers, refunded, mended."""
