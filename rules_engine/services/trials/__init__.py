"""Trying rules on a real case or on typed facts, and keeping what came out as a test case."""
