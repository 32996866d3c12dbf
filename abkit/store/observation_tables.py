"""What was observed: rows to be appended and added up, and the keys by which a repeated one is known.

A `stream` is the observations of one experiment of one organization, as a number that follows from both ids: it leads
every key and index here, as the two ids do elsewhere, in 8 bytes instead of 45. Observations have no unique index of
their own, because keeping one over text costs a load thirteen times its speed; `observation_keys`, integers only, says
which event ids are in, and with which payload.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from abkit.store.tables import metadata, organization

streams: Final = Table(
    "observation_streams",
    metadata,
    organization(),
    Column("experiment_id", Text, nullable=False),
    Column("stream", BigInteger, nullable=False, unique=True),
    PrimaryKeyConstraint("organization_id", "experiment_id"),
)

observations: Final = Table(
    "observations",
    metadata,
    Column("stream", BigInteger, nullable=False),
    Column("event_key", BigInteger, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Column("metric_type", Text, nullable=False),
    Column("value", Double, nullable=False),
    Column("observed_at", BigInteger, nullable=False, comment="microseconds since 1970, UTC"),
    Index("ix_observations_stream", "stream"),
)

observation_keys: Final = Table(
    "observation_keys",
    metadata,
    Column("stream", BigInteger, nullable=False),
    Column("event_key", BigInteger, nullable=False),
    Column("payload_key", BigInteger, nullable=False),
    PrimaryKeyConstraint("stream", "event_key"),
    sqlite_with_rowid=False,
)

quarantine: Final = Table(
    "observation_quarantine",
    metadata,
    Column("stream", BigInteger, nullable=False),
    Column("event_key", BigInteger, nullable=False),
    Column("payload_key", BigInteger, nullable=False),
    Column("arrived_at", BigInteger, nullable=False, comment="microseconds since 1970, UTC"),
    Column("observation", JSON, nullable=False),
    PrimaryKeyConstraint("stream", "event_key", "payload_key"),
)
