"""Calls to old clients: planned, given out, done, overdue."""
