"""Requests from arrival to close: received, assigned by the ledger, escalated, waiting, handed on."""
