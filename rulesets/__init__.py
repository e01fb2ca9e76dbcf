"""Data only: the rulesets that ship, as a head of sales would write them."""
