"""steps and readers of a draft, approvals, impacts

Revision: 0004
After: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('ruleset_approvals',
    sa.Column('decision', sa.String(), nullable=False),
    sa.Column('state', sa.Enum('waiting', 'approved', 'rejected', 'withdrawn', 'void', name='approvalstate', native_enum=False, length=32), nullable=False),
    sa.Column('content_hash', sa.String(), nullable=False),
    sa.Column('base_number', KEY, nullable=False),
    sa.Column('sent_by', sa.String(), nullable=False),
    sa.Column('sent_at', sa.BigInteger(), nullable=False),
    sa.Column('note', sa.String(), nullable=False),
    sa.Column('holds_from', sa.BigInteger(), nullable=True),
    sa.Column('accepted', sa.JSON(), nullable=False),
    sa.Column('decided_by', sa.String(), nullable=True),
    sa.Column('decided_at', sa.BigInteger(), nullable=True),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('losses_seen', sa.Boolean(), nullable=False),
    sa.Column('version_id', KEY, nullable=True),
    sa.Column('id', KEY, autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['version_id'], ['ruleset_versions.id'], name=op.f('fk_ruleset_approvals_version_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ruleset_approvals')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('ruleset_approvals', schema=None) as batch_op:
        batch_op.create_index('ix_ruleset_approvals_decision_sent_at', ['decision', 'sent_at'], unique=False)
        batch_op.create_index('uq_ruleset_approvals_waiting', ['decision'], unique=True, sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'"))

    op.create_table('ruleset_impacts',
    sa.Column('decision', sa.String(), nullable=False),
    sa.Column('state', sa.Enum('queued', 'running', 'done', 'cancelled', 'failed', name='impactstate', native_enum=False, length=32), nullable=False),
    sa.Column('version_id', KEY, nullable=False),
    sa.Column('body', sa.JSON(), nullable=False),
    sa.Column('content_hash', sa.String(), nullable=False),
    sa.Column('days', KEY, nullable=False),
    sa.Column('done', KEY, nullable=False),
    sa.Column('total', KEY, nullable=False),
    sa.Column('asked_by', sa.String(), nullable=False),
    sa.Column('asked_at', sa.BigInteger(), nullable=False),
    sa.Column('finished_at', sa.BigInteger(), nullable=True),
    sa.Column('progress', sa.JSON(), nullable=False),
    sa.Column('result', sa.JSON(), nullable=False),
    sa.Column('error', sa.String(), nullable=False),
    sa.Column('id', KEY, autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['version_id'], ['ruleset_versions.id'], name=op.f('fk_ruleset_impacts_version_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ruleset_impacts')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('ruleset_impacts', schema=None) as batch_op:
        batch_op.create_index('ix_ruleset_impacts_decision_asked_at', ['decision', 'asked_at'], unique=False)

    op.create_table('ruleset_impact_changes',
    sa.Column('impact_id', KEY, nullable=False),
    sa.Column('number', KEY, nullable=False),
    sa.Column('data', sa.JSON(), nullable=False),
    sa.Column('id', KEY, autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['impact_id'], ['ruleset_impacts.id'], name=op.f('fk_ruleset_impact_changes_impact_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ruleset_impact_changes')),
    sa.UniqueConstraint('impact_id', 'number', name=op.f('uq_ruleset_impact_changes_impact_id_number')),
    sqlite_autoincrement=True
    )
    op.create_table('ruleset_publications',
    sa.Column('version_id', KEY, nullable=False),
    sa.Column('decision', sa.String(), nullable=False),
    sa.Column('wakes_at', sa.BigInteger(), nullable=False),
    sa.Column('part', sa.String(), nullable=False),
    sa.Column('after_id', KEY, nullable=False),
    sa.Column('id', KEY, autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['version_id'], ['ruleset_versions.id'], name=op.f('fk_ruleset_publications_version_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ruleset_publications')),
    sa.UniqueConstraint('version_id', name=op.f('uq_ruleset_publications_version_id')),
    sqlite_autoincrement=True
    )
    op.create_table('ruleset_draft_readers',
    sa.Column('draft_id', KEY, nullable=False),
    sa.Column('user_id', KEY, nullable=False),
    sa.Column('rule', sa.String(), nullable=False),
    sa.Column('seen_at', sa.BigInteger(), nullable=False),
    sa.Column('id', KEY, autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['draft_id'], ['ruleset_drafts.id'], name=op.f('fk_ruleset_draft_readers_draft_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_ruleset_draft_readers_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ruleset_draft_readers')),
    sa.UniqueConstraint('draft_id', 'user_id', name=op.f('uq_ruleset_draft_readers_draft_id_user_id')),
    sqlite_autoincrement=True
    )
    op.create_table('ruleset_draft_steps',
    sa.Column('draft_id', KEY, nullable=False),
    sa.Column('number', KEY, nullable=False),
    sa.Column('body', sa.JSON(), nullable=False),
    sa.Column('subjects', sa.JSON(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('actor', sa.String(), nullable=False),
    sa.Column('id', KEY, autoincrement=True, nullable=False),
    sa.ForeignKeyConstraint(['draft_id'], ['ruleset_drafts.id'], name=op.f('fk_ruleset_draft_steps_draft_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ruleset_draft_steps')),
    sa.UniqueConstraint('draft_id', 'number', name=op.f('uq_ruleset_draft_steps_draft_id_number')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('ruleset_drafts', schema=None) as batch_op:
        batch_op.add_column(sa.Column('step', KEY, nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('accepted', sa.JSON(), nullable=False, server_default='{}'))

    with op.batch_alter_table('ruleset_versions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('authored_by', sa.String(), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('accepted', sa.JSON(), nullable=False, server_default='{}'))

    # A draft that is open already can be undone down to what it is now.
    op.execute(
        "INSERT INTO ruleset_draft_steps (draft_id, number, body, subjects, at, actor) "
        "SELECT id, 0, body, '[]', updated_at, '' FROM ruleset_drafts"
    )


def downgrade() -> None:
    with op.batch_alter_table('ruleset_versions', schema=None) as batch_op:
        batch_op.drop_column('accepted')
        batch_op.drop_column('authored_by')

    with op.batch_alter_table('ruleset_drafts', schema=None) as batch_op:
        batch_op.drop_column('accepted')
        batch_op.drop_column('step')

    op.drop_table('ruleset_draft_steps')
    op.drop_table('ruleset_draft_readers')
    op.drop_table('ruleset_publications')
    op.drop_table('ruleset_impact_changes')
    with op.batch_alter_table('ruleset_impacts', schema=None) as batch_op:
        batch_op.drop_index('ix_ruleset_impacts_decision_asked_at')

    op.drop_table('ruleset_impacts')
    with op.batch_alter_table('ruleset_approvals', schema=None) as batch_op:
        batch_op.drop_index('uq_ruleset_approvals_waiting', sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'"))
        batch_op.drop_index('ix_ruleset_approvals_decision_sent_at')

    op.drop_table('ruleset_approvals')
