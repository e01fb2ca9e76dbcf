"""Clients: found or made, moved, their wishes kept, woken when something about them changes."""
