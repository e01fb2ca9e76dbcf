"""The months of bonuses: reckoned, kept as statements, corrected, shown."""
