"""How each part of an installation begins: settings, log, and a refusal in words where it must not work."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rules_engine import db, logs
from rules_engine.errors import PravilaError
from rules_engine.settings import Settings
from workers import readiness


@contextmanager
def part() -> Iterator[Settings]:
    """Yield the settings of a part that works on the database in the present.

    A PravilaError ends the process with exit code 1 and the sentence on standard error, in the installation's language.
    """
    language = "en"
    try:
        settings = Settings.from_env()
        language = settings.locale
        logs.configure(settings.log)
        engine = db.make_engine(settings.database_url)
        try:
            readiness.check_database(engine)
            readiness.check_no_replay(engine)
        finally:
            engine.dispose()
        yield settings
    except PravilaError as problem:
        sys.exit(problem.message(language))
