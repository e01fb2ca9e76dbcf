"""The schema of the migrations is the schema of the models, on both databases, up and down, with what they guard."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from rules_engine import migrations
from rules_engine.models import Base


def test_the_migrations_make_exactly_the_tables_of_the_models(any_engine: Engine) -> None:
    with any_engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    assert migrations.current_revision(any_engine) == migrations.head_revision()


def test_the_newest_script_is_the_head_of_the_history() -> None:
    assert migrations.head_revision() == ScriptDirectory.from_config(migrations._config()).get_current_head()


def test_going_down_to_nothing_and_up_again_leaves_the_same_tables(any_engine: Engine) -> None:
    tables = set(inspect(any_engine).get_table_names())
    migrations.downgrade(any_engine, "base")
    assert set(inspect(any_engine).get_table_names()) == {"alembic_version"}
    migrations.upgrade(any_engine)
    assert set(inspect(any_engine).get_table_names()) == tables


def test_tasks_and_contacts_of_the_first_schema_survive_the_second(any_engine: Engine) -> None:
    migrations.downgrade(any_engine, "0001")
    with any_engine.begin() as connection:
        connection.execute(text(_USER))
        connection.execute(text("INSERT INTO managers (id, user_id, weight_milli, skills) VALUES (1, 1, 1000, '[]')"))
        connection.execute(
            text(
                "INSERT INTO tasks (id, kind, manager_id, title, reason, state, created_at, note, times_postponed) "
                "VALUES (7, 'own', 1, '{}', '{}', 'open', 0, '', 0)"
            )
        )
    migrations.upgrade(any_engine)
    with any_engine.connect() as connection:
        assert connection.execute(text("SELECT id, state, callback_id FROM tasks")).all() == [(7, "open", None)]
        indexes = {one["name"]: one for one in inspect(connection).get_indexes("tasks")}
    kept = indexes["uq_tasks_open_request"]["dialect_options"]
    assert any("kind" in str(where) for where in kept.values())


def test_a_company_at_work_survives_the_third_schema_up_and_down(any_engine: Engine) -> None:
    migrations.downgrade(any_engine, "0002")
    with any_engine.begin() as connection:
        for statement in _AT_WORK.split(";"):
            connection.execute(text(statement))
    for _ in range(2):
        migrations.upgrade(any_engine)
        with any_engine.connect() as connection:
            kept = "SELECT notify_by_mail, notify_urls, notify_after_hours, digest_minutes FROM users"
            by_mail, urls, after_hours, digest = connection.execute(text(kept)).one()
            assert (bool(by_mail), str(urls), bool(after_hours), digest) == (True, "[]", False, 0)
            held = "SELECT a.request_id, r.waiting_key, a.line_busy_at FROM assignments a JOIN requests r ON r.id = 5"
            assert connection.execute(text(held)).all() == [(5, None, None)]
        migrations.downgrade(any_engine, "0002")
    with any_engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM assignments")) == 1


_USER = (
    "INSERT INTO users (id, login, name, email, phone, role, must_change_password, locale, is_active, session_epoch, "
    "created_at) VALUES (1, 'anna', 'Anna', '', '', 'manager', false, 'ru', true, 0, 0)"
)
_AT_WORK = f"""
{_USER};
INSERT INTO teams (id, code, name) VALUES (1, 'sales', 'Sales');
INSERT INTO managers (id, user_id, team_id, weight_milli, skills) VALUES (1, 1, 1, 1000, '[]');
INSERT INTO requests (id, source, external_id, body_hash, received_at, client_name, priority, text, tags, is_duplicate,
    is_history, status, status_at, times_waiting, times_reassigned, contact_attempts, manager_id)
    VALUES (5, 'site', 'A-1', '', 0, '', 'normal', '', '[]', false, false, 'assigned', 0, 0, 0, 0, 1);
INSERT INTO assignments (id, request_id, manager_id, assigned_at, cause, is_late) VALUES (9, 5, 1, 0, 'rule', false)
"""
_CLOSED = """
INSERT INTO ruleset_versions (id, decision, number, body, content_hash, holds_from, published_at, published_by, note)
    VALUES (1, 'bonus', 1, '{}', '', 0, 0, 'system', '');
INSERT INTO managers (id, user_id, weight_milli, skills) VALUES (1, 1, 1000, '[]');
INSERT INTO bonus_periods (id, month, revision, state, version_id, computed_at, computed_by, reason)
    VALUES (1, '2026-09', 1, 'computed', 1, 0, 'olga', '');
INSERT INTO bonus_statements (id, period_id, manager_id, total_minor, measures, notes, is_closed)
    VALUES (1, 1, 1, 100, '{}', '[]', false);
INSERT INTO bonus_lines (id, statement_id, ordinal, rule, line, basis, component, base, rate, amount_minor, exact,
    sentence, steps) VALUES (1, 1, 1, 'plan', 'plan', '', 'pay_fixed', '', '', 100, '100', '{}', '[]');
UPDATE bonus_lines SET amount_minor = 90;
UPDATE bonus_statements SET is_closed = true;
UPDATE bonus_periods SET state = 'closed'
"""


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE bonus_lines SET amount_minor = 1",
        "DELETE FROM bonus_lines",
        "INSERT INTO bonus_lines (id, statement_id, ordinal, rule, line, basis, component, base, rate, amount_minor, "
        "exact, sentence, steps) VALUES (2, 1, 2, 'x', 'x', '', 'pay_fixed', '', '', 1, '1', '{}', '[]')",
        "UPDATE bonus_statements SET total_minor = 1",
        "DELETE FROM bonus_statements",
        "UPDATE bonus_periods SET state = 'computed'",
        "DELETE FROM bonus_periods",
    ],
)
def test_the_database_refuses_to_change_what_is_closed(any_engine: Engine, change: str) -> None:
    with any_engine.begin() as connection:
        for statement in (_USER, *_CLOSED.split(";\n")):
            connection.execute(text(statement))
    with pytest.raises(DBAPIError, match="closed bonus statement"), any_engine.begin() as connection:
        connection.execute(text(change))
    with any_engine.begin() as connection:
        connection.execute(text("UPDATE bonus_periods SET state = 'reversed'"))
