"""The verbs: load, decide, apply. Never commit. docs/architecture.md lists the rooms, and which may use which."""
