"""The rule language: what a rule can say, whether it is well said, and which rules match given facts."""
