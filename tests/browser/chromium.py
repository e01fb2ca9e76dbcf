"""Where Chromium lies on this machine, and how it is started."""

import shutil

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The shell without windows first: it draws the same pages with half the work of a whole browser."""

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def program() -> str | None:
    """Return the path of the first of PROGRAMS that is installed; None if none is."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)
