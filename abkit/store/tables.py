"""The tables of the store. `organization_id` leads every key and index, so that no query crosses organizations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, get_args

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from abkit.models.lifecycle import Status

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcTime(TypeDecorator[datetime]):
    """A time that knows its zone, kept in UTC; SQLite, which has no zones, gets the UTC wall time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone: nobody could say later which moment it was."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone; pass an aware time such as datetime.now(UTC)")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware time in UTC from either database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def organization() -> Column[str]:
    """Return the column that leads every table."""
    return Column("organization_id", Text, nullable=False)


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, UtcTime, nullable=nullable)


_STATUSES = ", ".join(f"'{status}'" for status in get_args(Status))

agents = Table(
    "agents",
    metadata,
    organization(),
    Column("id", Text, nullable=False),
    Column("config", JSON, nullable=False),
    Column("previous_config", JSON(none_as_null=True)),
    Column("version", Integer, nullable=False),
    _time("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
)

experiments = Table(
    "experiments",
    metadata,
    organization(),
    Column("id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("definition", JSON, nullable=False),
    Column("design_hash", Text),
    _time("created_at"),
    _time("started_at", nullable=True),
    _time("ended_at", nullable=True),
    Column("winner", Text),
    _time("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "key"),
    ForeignKeyConstraint(["organization_id", "agent_id"], ["agents.organization_id", "agents.id"]),
    CheckConstraint(f"status IN ({_STATUSES})", name="status"),
)

_running = experiments.c.status == "running"
Index(
    "one_running_experiment_per_agent",
    experiments.c.organization_id,
    experiments.c.agent_id,
    unique=True,
    sqlite_where=_running,
    postgresql_where=_running,
)
Index("ix_experiments_page", experiments.c.organization_id, experiments.c.created_at, experiments.c.id)

variants = Table(
    "variants",
    metadata,
    organization(),
    Column("experiment_id", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("traffic_percentage", Double, nullable=False),
    Column("is_control", Boolean, nullable=False),
    Column("config", JSON, nullable=False),
    PrimaryKeyConstraint("organization_id", "experiment_id", "position"),
    UniqueConstraint("organization_id", "experiment_id", "name"),
    ForeignKeyConstraint(["organization_id", "experiment_id"], ["experiments.organization_id", "experiments.id"]),
)

# No foreign key: a load writes millions of these for an experiment that was just read, and none is ever deleted.
assignments = Table(
    "assignments",
    metadata,
    organization(),
    Column("experiment_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("variant", Text, nullable=False),
    _time("assigned_at"),
    PrimaryKeyConstraint("organization_id", "experiment_id", "user_id"),
    sqlite_with_rowid=False,
)

results = Table(
    "results",
    metadata,
    organization(),
    Column("experiment_id", Text, nullable=False),
    Column("id", Text, nullable=False),
    _time("created_at"),
    Column("kind", Text, nullable=False),
    Column("analysis", JSON, nullable=False),
    PrimaryKeyConstraint("organization_id", "experiment_id", "id"),
    ForeignKeyConstraint(["organization_id", "experiment_id"], ["experiments.organization_id", "experiments.id"]),
)

# The public id alone is unique: a request shows its key before anyone knows its organization.
api_keys = Table(
    "api_keys",
    metadata,
    organization(),
    Column("public_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    _time("created_at"),
    _time("expires_at", nullable=True),
    _time("revoked_at", nullable=True),
    PrimaryKeyConstraint("organization_id", "public_id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    organization(),
    Column("key", Text, nullable=False),
    Column("request_hash", Text, nullable=False),
    Column("status", Integer),
    Column("body", JSON(none_as_null=True)),
    _time("created_at"),
    PrimaryKeyConstraint("organization_id", "key"),
)

audit_log = Table(
    "audit_log",
    metadata,
    organization(),
    Column("id", Text, nullable=False),
    _time("at"),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("experiment_id", Text),
    Column("agent_id", Text),
    Column("from_status", Text),
    Column("to_status", Text),
    Column("reason", Text, nullable=False),
    Column("details", JSON, nullable=False),
    PrimaryKeyConstraint("organization_id", "id"),
    Index("ix_audit_log_experiment", "organization_id", "experiment_id", "id"),
)
