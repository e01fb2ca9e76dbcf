"""duty, waiting lines, client moves, where messages go

Revision: 0003
After: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('duty_shifts',
    sa.Column('manager_id', KEY, nullable=False),
    sa.Column('starts_at', sa.BigInteger(), nullable=False),
    sa.Column('ends_at', sa.BigInteger(), nullable=False),
    sa.Column('note', sa.String(), nullable=False),
    sa.Column('id', KEY, autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['manager_id'], ['managers.id'], name=op.f('fk_duty_shifts_manager_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_duty_shifts')),
    sa.UniqueConstraint('manager_id', 'starts_at', name=op.f('uq_duty_shifts_manager_id_starts_at')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('duty_shifts', schema=None) as batch_op:
        batch_op.create_index('ix_duty_shifts_ends_at', ['ends_at'], unique=False)

    op.create_table('client_moves',
    sa.Column('client_id', KEY, nullable=False),
    sa.Column('from_manager_id', KEY, nullable=False),
    sa.Column('to_manager_id', KEY, nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('state', sa.Enum('planned', 'done', 'cancelled', name='movestate', native_enum=False, length=32), nullable=False),
    sa.Column('made_at', sa.BigInteger(), nullable=False),
    sa.Column('made_by', sa.String(), nullable=False),
    sa.Column('done_at', sa.BigInteger(), nullable=True),
    sa.Column('id', KEY, autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['client_id'], ['clients.id'], name=op.f('fk_client_moves_client_id')),
    sa.ForeignKeyConstraint(['from_manager_id'], ['managers.id'], name=op.f('fk_client_moves_from_manager_id')),
    sa.ForeignKeyConstraint(['to_manager_id'], ['managers.id'], name=op.f('fk_client_moves_to_manager_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_client_moves')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('client_moves', schema=None) as batch_op:
        batch_op.create_index('ix_client_moves_from_manager_id', ['from_manager_id', 'state'], unique=False)
        batch_op.create_index('uq_client_moves_planned_client', ['client_id'], unique=True, sqlite_where=sa.text("state = 'planned'"), postgresql_where=sa.text("state = 'planned'"))

    with op.batch_alter_table('teams', schema=None) as batch_op:
        batch_op.add_column(sa.Column('catch_up_per_day', KEY, nullable=True))

    # Those who are there already keep getting their mail as before.
    with op.batch_alter_table('users', schema=None) as batch_op:
        batch_op.add_column(sa.Column('notify_by_mail', sa.Boolean(), nullable=False, server_default='1'))
        batch_op.add_column(sa.Column('notify_urls', sa.JSON(), nullable=False, server_default='[]'))
        batch_op.add_column(sa.Column('notify_after_hours', sa.Boolean(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('digest_minutes', KEY, nullable=False, server_default='0'))

    with op.batch_alter_table('requests', schema=None) as batch_op:
        batch_op.add_column(sa.Column('duplicate_of_id', KEY, nullable=True))
        batch_op.add_column(sa.Column('suggested_client_id', KEY, nullable=True))
        batch_op.add_column(sa.Column('line_busy_at', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('waiting_key', sa.String(), nullable=True))
        batch_op.create_foreign_key(batch_op.f('fk_requests_duplicate_of_id'), 'requests', ['duplicate_of_id'], ['id'])
        batch_op.create_foreign_key(batch_op.f('fk_requests_suggested_client_id'), 'clients', ['suggested_client_id'], ['id'])
        batch_op.drop_index('ix_requests_manager_id_status')
        batch_op.create_index('ix_requests_manager_id_status', ['manager_id', 'status', 'is_history', 'first_answer_at'], unique=False)
        batch_op.create_index('ix_requests_waiting', ['waiting_key', 'id'], unique=False, sqlite_where=sa.text('waiting_key IS NOT NULL'), postgresql_where=sa.text('waiting_key IS NOT NULL'))

    with op.batch_alter_table('assignments', schema=None) as batch_op:
        batch_op.add_column(sa.Column('line_busy_at', sa.BigInteger(), nullable=True))
        batch_op.create_index('ix_assignments_open_manager_id', ['manager_id', 'first_answer_at', 'answer_due_at'], unique=False, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))

    with op.batch_alter_table('outbox_messages', schema=None) as batch_op:
        batch_op.add_column(sa.Column('is_urgent', sa.Boolean(), nullable=False, server_default='0'))
        batch_op.create_index('ix_outbox_messages_unread', ['user_id', 'id'], unique=False, sqlite_where=sa.text("channel = 'page' AND read_at IS NULL"), postgresql_where=sa.text("channel = 'page' AND read_at IS NULL"))
        batch_op.create_index('ix_outbox_messages_sent_at', ['sent_at'], unique=False, sqlite_where=sa.text("channel <> 'page' AND sent_at IS NOT NULL"), postgresql_where=sa.text("channel <> 'page' AND sent_at IS NOT NULL"))


def downgrade() -> None:
    with op.batch_alter_table('outbox_messages', schema=None) as batch_op:
        batch_op.drop_index('ix_outbox_messages_sent_at', sqlite_where=sa.text("channel <> 'page' AND sent_at IS NOT NULL"), postgresql_where=sa.text("channel <> 'page' AND sent_at IS NOT NULL"))
        batch_op.drop_index('ix_outbox_messages_unread', sqlite_where=sa.text("channel = 'page' AND read_at IS NULL"), postgresql_where=sa.text("channel = 'page' AND read_at IS NULL"))
        batch_op.drop_column('is_urgent')

    with op.batch_alter_table('assignments', schema=None) as batch_op:
        batch_op.drop_index('ix_assignments_open_manager_id', sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
        batch_op.drop_column('line_busy_at')

    with op.batch_alter_table('requests', schema=None) as batch_op:
        batch_op.drop_index('ix_requests_manager_id_status')
        batch_op.create_index('ix_requests_manager_id_status', ['manager_id', 'status'], unique=False)
        batch_op.drop_index('ix_requests_waiting', sqlite_where=sa.text('waiting_key IS NOT NULL'), postgresql_where=sa.text('waiting_key IS NOT NULL'))
        batch_op.drop_constraint(batch_op.f('fk_requests_suggested_client_id'), type_='foreignkey')
        batch_op.drop_constraint(batch_op.f('fk_requests_duplicate_of_id'), type_='foreignkey')
        batch_op.drop_column('waiting_key')
        batch_op.drop_column('line_busy_at')
        batch_op.drop_column('suggested_client_id')
        batch_op.drop_column('duplicate_of_id')

    with op.batch_alter_table('users', schema=None) as batch_op:
        batch_op.drop_column('digest_minutes')
        batch_op.drop_column('notify_after_hours')
        batch_op.drop_column('notify_urls')
        batch_op.drop_column('notify_by_mail')

    with op.batch_alter_table('teams', schema=None) as batch_op:
        batch_op.drop_column('catch_up_per_day')

    op.drop_table('client_moves')
    op.drop_table('duty_shifts')
