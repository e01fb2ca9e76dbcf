"""Why: stored decisions in words, and the regulation on one page."""
