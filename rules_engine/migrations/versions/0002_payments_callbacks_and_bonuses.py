"""payments, callbacks and bonuses

Revision: 0002
After: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


# What is closed never changes, whoever asks: the database itself refuses it. A closed period can only be reversed.
CLOSED = "a closed bonus statement cannot be changed"
PERIOD_STAYS = "OLD.state = 'closed' AND NEW.state <> 'reversed'"
IN_CLOSED = "EXISTS (SELECT 1 FROM bonus_statements AS s WHERE s.id = {row}.statement_id AND s.is_closed)"
GUARDS = (
    # table, events, when
    ("bonus_periods", "UPDATE", PERIOD_STAYS),
    ("bonus_periods", "DELETE", "OLD.state IN ('closed', 'reversed')"),
    ("bonus_statements", "UPDATE", "OLD.is_closed"),
    ("bonus_statements", "DELETE", "OLD.is_closed"),
    ("bonus_lines", "INSERT", IN_CLOSED.format(row="NEW")),
    ("bonus_lines", "UPDATE", IN_CLOSED.format(row="OLD")),
    ("bonus_lines", "DELETE", IN_CLOSED.format(row="OLD")),
)


def _guard() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for table, event, when in GUARDS:
        name = f"{table}_closed_{event.lower()}"
        if is_sqlite:
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN {when} "
                f"BEGIN SELECT RAISE(ABORT, '{CLOSED}'); END"
            )
            continue
        # A WHEN clause of PostgreSQL cannot hold a query, so the condition stands in the function.
        back = "OLD" if event == "DELETE" else "NEW"
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF {when} THEN RAISE EXCEPTION '{CLOSED}' USING ERRCODE = 'integrity_constraint_violation'; END IF; "
            f"RETURN {back}; END $$"
        )
        op.execute(f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")


def _unguard() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for table, event, _ in GUARDS:
        name = f"{table}_closed_{event.lower()}"
        op.execute(f"DROP TRIGGER {name}" if is_sqlite else f"DROP TRIGGER {name} ON {table}")
        if not is_sqlite:
            op.execute(f"DROP FUNCTION {name}()")


def upgrade() -> None:
    op.create_table('occasions',
    sa.Column('code', sa.String(), nullable=False),
    sa.Column('title', sa.JSON(), nullable=False),
    sa.Column('is_offer', sa.Boolean(), nullable=False),
    sa.Column('script', sa.JSON(), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_occasions')),
    sa.UniqueConstraint('code', name=op.f('uq_occasions_code')),
    sqlite_autoincrement=True
    )
    op.create_table('bonus_periods',
    sa.Column('month', sa.String(), nullable=False),
    sa.Column('revision', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('state', sa.Enum('computed', 'presented', 'approved', 'closed', 'reversed', name='periodstate', native_enum=False, length=32), nullable=False),
    sa.Column('version_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('computed_at', sa.BigInteger(), nullable=False),
    sa.Column('computed_by', sa.String(), nullable=False),
    sa.Column('presented_at', sa.BigInteger(), nullable=True),
    sa.Column('presented_by', sa.String(), nullable=True),
    sa.Column('approved_at', sa.BigInteger(), nullable=True),
    sa.Column('approved_by', sa.String(), nullable=True),
    sa.Column('closed_at', sa.BigInteger(), nullable=True),
    sa.Column('closed_by', sa.String(), nullable=True),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['version_id'], ['ruleset_versions.id'], name=op.f('fk_bonus_periods_version_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bonus_periods')),
    sa.UniqueConstraint('month', 'revision', name=op.f('uq_bonus_periods_month_revision')),
    sqlite_autoincrement=True
    )
    op.create_table('bonus_statements',
    sa.Column('period_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('manager_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('total_minor', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('measures', sa.JSON(), nullable=False),
    sa.Column('notes', sa.JSON(), nullable=False),
    sa.Column('is_closed', sa.Boolean(), nullable=False),
    sa.Column('seen_at', sa.BigInteger(), nullable=True),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['manager_id'], ['managers.id'], name=op.f('fk_bonus_statements_manager_id')),
    sa.ForeignKeyConstraint(['period_id'], ['bonus_periods.id'], name=op.f('fk_bonus_statements_period_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bonus_statements')),
    sa.UniqueConstraint('period_id', 'manager_id', name=op.f('uq_bonus_statements_period_id_manager_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('bonus_statements', schema=None) as batch_op:
        batch_op.create_index('ix_bonus_statements_manager_id', ['manager_id'], unique=False)

    op.create_table('plans',
    sa.Column('month', sa.String(), nullable=False),
    sa.Column('manager_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('new_minor', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('old_minor', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('callbacks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('made_at', sa.BigInteger(), nullable=False),
    sa.Column('made_by', sa.String(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['manager_id'], ['managers.id'], name=op.f('fk_plans_manager_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_plans')),
    sa.UniqueConstraint('month', 'manager_id', 'number', name=op.f('uq_plans_month_manager_id_number')),
    sqlite_autoincrement=True
    )
    op.create_table('bonus_lines',
    sa.Column('statement_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('ordinal', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('rule', sa.String(), nullable=False),
    sa.Column('line', sa.String(), nullable=False),
    sa.Column('basis', sa.String(), nullable=False),
    sa.Column('component', sa.String(), nullable=False),
    sa.Column('base', sa.String(), nullable=False),
    sa.Column('rate', sa.String(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('exact', sa.String(), nullable=False),
    sa.Column('sentence', sa.JSON(), nullable=False),
    sa.Column('steps', sa.JSON(), nullable=False),
    sa.Column('correction_of_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['correction_of_id'], ['bonus_lines.id'], name=op.f('fk_bonus_lines_correction_of_id')),
    sa.ForeignKeyConstraint(['statement_id'], ['bonus_statements.id'], name=op.f('fk_bonus_lines_statement_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bonus_lines')),
    sa.UniqueConstraint('statement_id', 'rule', 'line', 'basis', name=op.f('uq_bonus_lines_statement_id_rule_line_basis')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('bonus_lines', schema=None) as batch_op:
        batch_op.create_index('ix_bonus_lines_correction_of_id', ['correction_of_id'], unique=False)

    op.create_table('payments',
    sa.Column('source', sa.String(), nullable=False),
    sa.Column('external_id', sa.String(), nullable=False),
    sa.Column('body_hash', sa.String(), nullable=False),
    sa.Column('client_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('request_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('manager_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('invoice', sa.String(), nullable=True),
    sa.Column('service', sa.String(), nullable=True),
    sa.Column('organization', sa.String(), nullable=True),
    sa.Column('purpose', sa.String(), nullable=False),
    sa.Column('kind', sa.Enum('payment', 'prepayment', 'refund', 'offset', name='paymentkind', native_enum=False, length=32), nullable=False),
    sa.Column('paid_at', sa.BigInteger(), nullable=False),
    sa.Column('paid_on', sa.Date(), nullable=False),
    sa.Column('month', sa.String(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('vat_minor', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('money_class', sa.Enum('new', 'old', name='moneyclass', native_enum=False, length=32), nullable=False),
    sa.Column('reverses_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('reverses_external_id', sa.String(), nullable=True),
    sa.Column('is_unmatched', sa.Boolean(), nullable=False),
    sa.Column('problems', sa.JSON(), nullable=False),
    sa.Column('booked_at', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['client_id'], ['clients.id'], name=op.f('fk_payments_client_id')),
    sa.ForeignKeyConstraint(['manager_id'], ['managers.id'], name=op.f('fk_payments_manager_id')),
    sa.ForeignKeyConstraint(['request_id'], ['requests.id'], name=op.f('fk_payments_request_id')),
    sa.ForeignKeyConstraint(['reverses_id'], ['payments.id'], name=op.f('fk_payments_reverses_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_payments')),
    sa.UniqueConstraint('source', 'external_id', name=op.f('uq_payments_source_external_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('payments', schema=None) as batch_op:
        batch_op.create_index('ix_payments_client_id_paid_at', ['client_id', 'paid_at'], unique=False)
        batch_op.create_index('ix_payments_invoice', ['invoice'], unique=False)
        batch_op.create_index('ix_payments_month_manager_id', ['month', 'manager_id'], unique=False)
        batch_op.create_index('ix_payments_request_id', ['request_id'], unique=False)
        batch_op.create_index('ix_payments_reverses_id', ['reverses_id'], unique=False)
        batch_op.create_index('ix_payments_unmatched', ['paid_at', 'id'], unique=False, sqlite_where=sa.text('is_unmatched'), postgresql_where=sa.text('is_unmatched'))

    op.create_table('callbacks',
    sa.Column('client_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('occasion', sa.String(), nullable=False),
    sa.Column('cause', sa.String(), nullable=False),
    sa.Column('cycle', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('also', sa.JSON(), nullable=False),
    sa.Column('manager_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('is_offer', sa.Boolean(), nullable=False),
    sa.Column('rule', sa.String(), nullable=False),
    sa.Column('decision_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('script', sa.JSON(), nullable=False),
    sa.Column('priority', sa.String(), nullable=False),
    sa.Column('expected_minor', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('state', sa.Enum('planned', 'open', 'done', 'cancelled', name='callbackstate', native_enum=False, length=32), nullable=False),
    sa.Column('call_from', sa.BigInteger(), nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('opened_at', sa.BigInteger(), nullable=True),
    sa.Column('attempts', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('times_postponed', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('outcome', sa.String(), nullable=True),
    sa.Column('outcome_reason', sa.String(), nullable=True),
    sa.Column('done_at', sa.BigInteger(), nullable=True),
    sa.Column('is_valid', sa.Boolean(), nullable=False),
    sa.Column('contact_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('closed_because', sa.JSON(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['client_id'], ['clients.id'], name=op.f('fk_callbacks_client_id')),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_callbacks_contact_id')),
    sa.ForeignKeyConstraint(['decision_id'], ['decisions.id'], name=op.f('fk_callbacks_decision_id')),
    sa.ForeignKeyConstraint(['manager_id'], ['managers.id'], name=op.f('fk_callbacks_manager_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_callbacks')),
    sa.UniqueConstraint('client_id', 'occasion', 'cause', 'cycle', name=op.f('uq_callbacks_client_id_occasion_cause_cycle')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('callbacks', schema=None) as batch_op:
        batch_op.create_index('ix_callbacks_done_at', ['done_at'], unique=False)
        batch_op.create_index('ix_callbacks_manager_id_state_due_at', ['manager_id', 'state', 'due_at'], unique=False)
        batch_op.create_index('ix_callbacks_state_due_at', ['state', 'due_at'], unique=False)

    op.create_table('payment_credits',
    sa.Column('payment_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('manager_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('share_bp', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('amount_minor', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('vat_minor', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('month', sa.String(), nullable=False),
    sa.Column('money_class', sa.Enum('new', 'old', name='moneyclass', native_enum=False, length=32), nullable=False),
    sa.Column('cause', sa.String(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.CheckConstraint('share_bp > 0 AND share_bp <= 10000', name=op.f('ck_payment_credits_share_bp')),
    sa.ForeignKeyConstraint(['manager_id'], ['managers.id'], name=op.f('fk_payment_credits_manager_id')),
    sa.ForeignKeyConstraint(['payment_id'], ['payments.id'], name=op.f('fk_payment_credits_payment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_payment_credits')),
    sa.UniqueConstraint('payment_id', 'manager_id', name=op.f('uq_payment_credits_payment_id_manager_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('payment_credits', schema=None) as batch_op:
        batch_op.create_index('ix_payment_credits_measure', ['month', 'manager_id', 'money_class', 'amount_minor', 'vat_minor'], unique=False)

    op.create_table('overdue_actions',
    sa.Column('kind', sa.Enum('hold', 'release', name='overduekind', native_enum=False, length=32), nullable=False),
    sa.Column('state', sa.Enum('proposed', 'declined', 'confirmed', 'ended', 'withdrawn', name='overduestate', native_enum=False, length=32), nullable=False),
    sa.Column('manager_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('client_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('callback_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('request_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('rule', sa.String(), nullable=False),
    sa.Column('decision_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('ground', sa.JSON(), nullable=False),
    sa.Column('until', sa.String(), nullable=True),
    sa.Column('overdue_callbacks_below', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('proposed_at', sa.BigInteger(), nullable=False),
    sa.Column('answered_at', sa.BigInteger(), nullable=True),
    sa.Column('answered_by', sa.String(), nullable=True),
    sa.Column('answer_reason', sa.String(), nullable=False),
    sa.Column('ends_at', sa.BigInteger(), nullable=True),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.Column('end_reason', sa.String(), nullable=True),
    sa.Column('new_owner_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['callback_id'], ['callbacks.id'], name=op.f('fk_overdue_actions_callback_id')),
    sa.ForeignKeyConstraint(['client_id'], ['clients.id'], name=op.f('fk_overdue_actions_client_id')),
    sa.ForeignKeyConstraint(['decision_id'], ['decisions.id'], name=op.f('fk_overdue_actions_decision_id')),
    sa.ForeignKeyConstraint(['manager_id'], ['managers.id'], name=op.f('fk_overdue_actions_manager_id')),
    sa.ForeignKeyConstraint(['new_owner_id'], ['managers.id'], name=op.f('fk_overdue_actions_new_owner_id')),
    sa.ForeignKeyConstraint(['request_id'], ['requests.id'], name=op.f('fk_overdue_actions_request_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_overdue_actions')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('overdue_actions', schema=None) as batch_op:
        batch_op.create_index('ix_overdue_actions_manager_id', ['manager_id'], unique=False)
        batch_op.create_index('ix_overdue_actions_state_proposed_at', ['state', 'proposed_at'], unique=False)
        batch_op.create_index('uq_overdue_actions_open_hold', ['manager_id'], unique=True, sqlite_where=sa.text("kind = 'hold' AND state IN ('proposed', 'confirmed')"), postgresql_where=sa.text("kind = 'hold' AND state IN ('proposed', 'confirmed')"))
        batch_op.create_index('uq_overdue_actions_open_release', ['client_id'], unique=True, sqlite_where=sa.text("kind = 'release' AND state = 'proposed'"), postgresql_where=sa.text("kind = 'release' AND state = 'proposed'"))

    with op.batch_alter_table('contacts', schema=None) as batch_op:
        batch_op.add_column(sa.Column('reason', sa.String(), nullable=True))
        batch_op.add_column(sa.Column('asked_to_call_at', sa.BigInteger(), nullable=True))

    with op.batch_alter_table('tasks', schema=None) as batch_op:
        batch_op.add_column(sa.Column('callback_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True))
        batch_op.create_index('uq_tasks_open_callback', ['callback_id'], unique=True, sqlite_where=sa.text("state = 'open' AND kind = 'callback'"), postgresql_where=sa.text("state = 'open' AND kind = 'callback'"))
        batch_op.create_foreign_key(batch_op.f('fk_tasks_callback_id'), 'callbacks', ['callback_id'], ['id'])

    _guard()


def downgrade() -> None:
    _unguard()
    with op.batch_alter_table('tasks', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_tasks_callback_id'), type_='foreignkey')
        batch_op.drop_index('uq_tasks_open_callback', sqlite_where=sa.text("state = 'open' AND kind = 'callback'"), postgresql_where=sa.text("state = 'open' AND kind = 'callback'"))
        batch_op.drop_column('callback_id')

    with op.batch_alter_table('contacts', schema=None) as batch_op:
        batch_op.drop_column('asked_to_call_at')
        batch_op.drop_column('reason')

    with op.batch_alter_table('overdue_actions', schema=None) as batch_op:
        batch_op.drop_index('uq_overdue_actions_open_release', sqlite_where=sa.text("kind = 'release' AND state = 'proposed'"), postgresql_where=sa.text("kind = 'release' AND state = 'proposed'"))
        batch_op.drop_index('uq_overdue_actions_open_hold', sqlite_where=sa.text("kind = 'hold' AND state IN ('proposed', 'confirmed')"), postgresql_where=sa.text("kind = 'hold' AND state IN ('proposed', 'confirmed')"))
        batch_op.drop_index('ix_overdue_actions_state_proposed_at')
        batch_op.drop_index('ix_overdue_actions_manager_id')

    op.drop_table('overdue_actions')
    with op.batch_alter_table('payment_credits', schema=None) as batch_op:
        batch_op.drop_index('ix_payment_credits_measure')

    op.drop_table('payment_credits')
    with op.batch_alter_table('callbacks', schema=None) as batch_op:
        batch_op.drop_index('ix_callbacks_state_due_at')
        batch_op.drop_index('ix_callbacks_manager_id_state_due_at')
        batch_op.drop_index('ix_callbacks_done_at')

    op.drop_table('callbacks')
    with op.batch_alter_table('payments', schema=None) as batch_op:
        batch_op.drop_index('ix_payments_unmatched', sqlite_where=sa.text('is_unmatched'), postgresql_where=sa.text('is_unmatched'))
        batch_op.drop_index('ix_payments_reverses_id')
        batch_op.drop_index('ix_payments_request_id')
        batch_op.drop_index('ix_payments_month_manager_id')
        batch_op.drop_index('ix_payments_invoice')
        batch_op.drop_index('ix_payments_client_id_paid_at')

    op.drop_table('payments')
    with op.batch_alter_table('bonus_lines', schema=None) as batch_op:
        batch_op.drop_index('ix_bonus_lines_correction_of_id')

    op.drop_table('bonus_lines')
    op.drop_table('plans')
    with op.batch_alter_table('bonus_statements', schema=None) as batch_op:
        batch_op.drop_index('ix_bonus_statements_manager_id')

    op.drop_table('bonus_statements')
    op.drop_table('bonus_periods')
    op.drop_table('occasions')
