"""The tables of the first release. A migration is never edited after its release: what changes later is a new one."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    _create_experiments()
    _create_results()
    _create_access()
    _create_observations()


def _create_experiments() -> None:
    op.create_table(
        "agents",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("previous_config", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_agents")),
    )
    op.create_table(
        "experiments",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("design_hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("winner", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('draft', 'running', 'paused', 'completed', 'cancelled')", name=op.f("ck_experiments_status")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "agent_id"], ["agents.organization_id", "agents.id"], name=op.f("fk_experiments_agents")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_experiments")),
        sa.UniqueConstraint("organization_id", "key", name=op.f("uq_experiments_organization_id_key")),
    )
    op.create_index("ix_experiments_page", "experiments", ["organization_id", "created_at", "id"], unique=False)
    op.create_index(
        "one_running_experiment_per_agent",
        "experiments",
        ["organization_id", "agent_id"],
        unique=True,
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    )


def _create_results() -> None:
    op.create_table(
        "assignments",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("experiment_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "experiment_id", "user_id", name=op.f("pk_assignments")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "results",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("experiment_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("analysis", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "experiment_id"],
            ["experiments.organization_id", "experiments.id"],
            name=op.f("fk_results_experiments"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "experiment_id", "id", name=op.f("pk_results")),
    )
    op.create_table(
        "variants",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("experiment_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("traffic_percentage", sa.Double(), nullable=False),
        sa.Column("is_control", sa.Boolean(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "experiment_id"],
            ["experiments.organization_id", "experiments.id"],
            name=op.f("fk_variants_experiments"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "experiment_id", "position", name=op.f("pk_variants")),
        sa.UniqueConstraint(
            "organization_id", "experiment_id", "name", name=op.f("uq_variants_organization_id_experiment_id_name")
        ),
    )


def _create_access() -> None:
    op.create_table(
        "api_keys",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "public_id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("public_id", name=op.f("uq_api_keys_public_id")),
    )
    op.create_table(
        "audit_log",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("experiment_id", sa.Text(), nullable=True),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("from_status", sa.Text(), nullable=True),
        sa.Column("to_status", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_experiment", "audit_log", ["organization_id", "experiment_id", "id"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "key", name=op.f("pk_idempotency")),
    )


def _create_observations() -> None:
    op.create_table(
        "observation_key_runs",
        sa.Column("stream", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False, comment="the power of eight that is its size, rounded down"),
        sa.Column("run", sa.BigInteger(), nullable=False, comment="the number of the batch that wrote it"),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "level", "run", name=op.f("pk_observation_key_runs")),
    )
    op.create_table(
        "observation_key_pieces",
        sa.Column("stream", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("piece", sa.Integer(), nullable=False, comment="the first bits of its keys"),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.LargeBinary(), nullable=False, comment="sorted uint64, little-endian"),
        sa.Column(
            "marks",
            sa.LargeBinary(),
            nullable=False,
            comment="for each event, 32 more bits of it and 32 of the payload",
        ),
        sa.PrimaryKeyConstraint("stream", "level", "piece", "run", name=op.f("pk_observation_key_pieces")),
        postgresql_with={"toast_tuple_target": 8160},
    )
    op.create_table(
        "observation_quarantine",
        sa.Column("stream", sa.BigInteger(), nullable=False),
        sa.Column("event_key", sa.BigInteger(), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("arrived_at", sa.BigInteger(), nullable=False, comment="microseconds since 1970, UTC"),
        sa.Column("observation", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "event_key", "mark", name=op.f("pk_observation_quarantine")),
    )
    op.create_table(
        "observation_streams",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("experiment_id", sa.Text(), nullable=False),
        sa.Column("stream", sa.BigInteger(), nullable=False),
        sa.Column(
            "batches", sa.BigInteger(), nullable=False, comment="stored so far; whoever stores one holds this row"
        ),
        sa.PrimaryKeyConstraint("organization_id", "experiment_id", name=op.f("pk_observation_streams")),
        sa.UniqueConstraint("stream", name=op.f("uq_observation_streams_stream")),
    )
    op.create_table(
        "observations",
        sa.Column("stream", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("metric_type", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False, comment="microseconds since 1970, UTC"),
    )
    op.create_index(
        "ix_observations_stream",
        "observations",
        ["stream"],
        unique=False,
        postgresql_using="brin",
        postgresql_ops={"stream": "int8_minmax_multi_ops"},
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    )
