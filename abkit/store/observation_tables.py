"""What was observed: rows to be appended and added up, and the keys by which a repeated one is known.

A `stream` is the observations of one experiment of one organization, as a number that follows from both ids: it leads
every key and index here, as the two ids do elsewhere, in 8 bytes instead of 45. Observations have no unique index of
their own, because keeping one over text costs a load thirteen times its speed, and over numbers still more than the
rows themselves. Keys are kept as sorted runs instead, one for every batch, which are merged sixty-four at a time; each
run is cut into pieces by the first bits of its keys, so that looking for a few reads little.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
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
    Column("batches", BigInteger, nullable=False, comment="stored so far; whoever stores one holds this row"),
    PrimaryKeyConstraint("organization_id", "experiment_id"),
)

observations: Final = Table(
    "observations",
    metadata,
    Column("stream", BigInteger, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Column("metric_type", Text, nullable=False),
    Column("value", Double, nullable=False),
    Column("observed_at", BigInteger, nullable=False, comment="microseconds since 1970, UTC"),
    # PostgreSQL: which streams a range of pages holds, because an entry per row costs as much as the row.
    Index(
        "ix_observations_stream",
        "stream",
        postgresql_using="brin",
        postgresql_ops={"stream": "int8_minmax_multi_ops"},
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    ),
)

key_runs: Final = Table(
    "observation_key_runs",
    metadata,
    Column("stream", BigInteger, nullable=False),
    Column("level", Integer, nullable=False, comment="the power of eight that is its size, rounded down"),
    Column("run", BigInteger, nullable=False, comment="the number of the batch that wrote it"),
    Column("size", BigInteger, nullable=False),
    PrimaryKeyConstraint("stream", "level", "run"),
)

key_pieces: Final = Table(
    "observation_key_pieces",
    metadata,
    Column("stream", BigInteger, nullable=False),
    Column("level", Integer, nullable=False),
    Column("piece", Integer, nullable=False, comment="the first bits of its keys"),
    Column("run", BigInteger, nullable=False),
    Column("events", LargeBinary, nullable=False, comment="sorted uint64, little-endian"),
    Column("marks", LargeBinary, nullable=False, comment="for each event, 32 more bits of it and 32 of the payload"),
    PrimaryKeyConstraint("stream", "level", "piece", "run"),
    postgresql_with={"toast_tuple_target": 8160},  # a piece stays in its row
)

quarantine: Final = Table(
    "observation_quarantine",
    metadata,
    Column("stream", BigInteger, nullable=False),
    Column("event_key", BigInteger, nullable=False),
    Column("mark", BigInteger, nullable=False),
    Column("arrived_at", BigInteger, nullable=False, comment="microseconds since 1970, UTC"),
    Column("observation", JSON, nullable=False),
    PrimaryKeyConstraint("stream", "event_key", "mark"),
)
