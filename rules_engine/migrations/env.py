"""Alembic's entry point: the caller hands over an open connection (see rules_engine.migrations.upgrade)."""

from typing import Any, Literal

from alembic import context

from rules_engine.models import Base, UtcDateTime


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our own column type as what the database sees, so that a migration never imports today's models."""
    return "sa.BigInteger()" if kind == "type" and isinstance(item, UtcDateTime) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    render_item=render_item,
    transaction_per_migration=False,
)
context.run_migrations()
