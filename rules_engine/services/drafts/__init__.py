"""The draft of a ruleset: its edits and steps, its table, its differences, the month it is measured on."""
