"""One protocol, several engines with the same answer: which enabled rules match given facts."""
