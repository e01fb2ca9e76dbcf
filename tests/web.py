"""The web application for tests: built once a process, and moved to an installation of its own for each test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from flask import Flask

from admin.api.limits import Limiter
from admin.app import create_app, make_shell
from rules_engine.settings import Settings

_built: dict[tuple[str, bool], Flask] = {}
"""By the settings that an application keeps from when it was built."""


@contextmanager
def app_of(settings: Settings, database_url: str, now: Callable[[], datetime]) -> Iterator[Flask]:
    """Yield the application on this database. Building it costs more than most tests, and its routes never change.

    One test at a time may have it; a test that changes the routes builds its own by `create_app`.
    """
    here = replace(settings, database_url=database_url)
    kept = (here.timezone, here.secure_cookies)
    if kept not in _built:
        _built[kept] = create_app(here)
        _built[kept].extensions["pravila"].engine.dispose()
    app = _built[kept]
    app.testing = True
    app.secret_key = here.secret_key
    shell = app.extensions["pravila"] = make_shell(here, now)
    app.extensions["pravila_limiter"] = Limiter.at(here.effective_redis_url)
    yield app
    shell.engine.dispose()
