"""The schema of the migrations is the schema of the models, on both databases, up and down."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect

from rules_engine import migrations
from rules_engine.models import Base


def test_the_migrations_make_exactly_the_tables_of_the_models(any_engine: Engine) -> None:
    with any_engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    assert migrations.current_revision(any_engine) == migrations.head_revision()


def test_going_down_to_nothing_and_up_again_leaves_the_same_tables(any_engine: Engine) -> None:
    tables = set(inspect(any_engine).get_table_names())
    migrations.downgrade(any_engine, "base")
    assert set(inspect(any_engine).get_table_names()) == {"alembic_version"}
    migrations.upgrade(any_engine)
    assert set(inspect(any_engine).get_table_names()) == tables
