"""The history of the schema. Expand first, contract in a later release; tested from empty and with data.

Alembic is imported only to migrate: to ask which revision a database has, every command would wait for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

HERE = Path(__file__).parent


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HERE))
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the database to `revision`, in one transaction where the database can."""
    from alembic import command

    with _connected(engine) as config:
        command.upgrade(config, revision)


def downgrade(engine: Engine, revision: str) -> None:
    from alembic import command

    with _connected(engine) as config:
        command.downgrade(config, revision)


@contextmanager
def _connected(engine: Engine) -> Iterator["Config"]:
    """Yield a configuration with a connection in a transaction, which is committed at the end.

    SQLite changes many a table by making it anew, which rows of other tables that point at it would forbid: keys are
    let go for the time and checked before the commit (www.sqlite.org/lang_altertable.html, section 7).
    """
    config = _config()
    with engine.connect() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        raw = connection.connection.driver_connection
        if is_sqlite and raw is not None:
            # Without effect inside a transaction, and SQLAlchemy would begin one.
            raw.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                config.attributes["connection"] = connection
                yield config
                if is_sqlite and (broken := connection.execute(text("PRAGMA foreign_key_check")).first()):
                    raise RuntimeError(f"the migration would leave a row of {broken[0]} that points nowhere")
        finally:
            if is_sqlite and raw is not None:
                raw.execute("PRAGMA foreign_keys=ON")


def current_revision(engine: Engine) -> str | None:
    """Return the revision of the database; None: nothing was ever migrated."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found


def head_revision() -> str:
    """Return the newest revision: the scripts are named by their numbers, and each follows the one before."""
    numbers = sorted(path.name.partition("_")[0] for path in (HERE / "versions").glob("[0-9]*_*.py"))
    if not numbers:
        raise RuntimeError("the package was built without its migrations")
    return numbers[-1]
