"""The published rulesets: which version is in force, in which mode, and what was decided by it."""
