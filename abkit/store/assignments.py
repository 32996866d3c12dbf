"""Who was assigned to what: the first answer that was stored is the one that counts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, and_, func, literal, select, true
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY

from abkit.store.tables import assignments

_CHUNK = 20_000
_FEWEST_COPIED = 1_000


def add_assignments(
    connection: Connection, organization_id: str, experiment_id: str, chosen: Mapping[str, str], *, now: datetime
) -> int:
    """Keep variants by user id where the user has none yet; return how many were new.

    Users are inserted in one order, so that two loads with the same users wait for each other and never deadlock.
    """
    users = sorted(chosen)
    same = (organization_id, experiment_id, now)
    if connection.dialect.name != "postgresql":
        return sum(
            _insert(connection, same, func.json_each(json.dumps(part)).table_valued("value").c.value, literal(variant))
            for variant in sorted(set(chosen.values()))
            for part in [[user for user in users if chosen[user] == variant]]
        )
    if len(users) >= _FEWEST_COPIED and _copy(connection, same, [(user, chosen[user]) for user in users]):
        return len(users)
    arrays = ([*users], [chosen[user] for user in users])
    return _insert(connection, same, *(func.unnest(literal(array, ARRAY(Text))) for array in arrays))


def _insert(
    connection: Connection, same: tuple[str, str, datetime], user: ColumnElement[Any], variant: ColumnElement[Any]
) -> int:
    """Insert in one statement, which takes a third of the time of as many small ones."""
    organization_id, experiment_id, now = same
    values = select(
        literal(organization_id), literal(experiment_id), user, variant, literal(now, assignments.c.assigned_at.type)
    )
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(assignments).from_select(
        [column.name for column in assignments.columns], values.where(true())
    )
    return connection.execute(insert.on_conflict_do_nothing(), execution_options={"preserve_rowcount": True}).rowcount


def _copy(connection: Connection, same: tuple[str, str, datetime], rows: Sequence[tuple[str, str]]) -> bool:
    """Copy rows, which takes less than half of the time of inserting them; False where one was there already."""
    from psycopg.errors import UniqueViolation

    organization_id, experiment_id, now = same
    quote = connection.dialect.identifier_preparer.quote
    trial = connection.begin_nested()
    raw: Any = connection.connection.driver_connection
    try:
        with raw.cursor() as cursor, cursor.copy(f"COPY {quote(assignments.name)} FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["text", "text", "text", "text", "timestamptz"])
            for user, variant in rows:
                copy.write_row((organization_id, experiment_id, user, variant, now))
    except UniqueViolation:
        trial.rollback()
        return False
    trial.commit()
    return True


def read_variant(connection: Connection, organization_id: str, experiment_id: str, user_id: str) -> str | None:
    """Return the variant that is stored for a user."""
    c = assignments.c
    mine = (c.organization_id == organization_id, c.experiment_id == experiment_id, c.user_id == user_id)
    found: str | None = connection.scalar(select(c.variant).where(*mine))
    return found


def read_variants(
    connection: Connection, organization_id: str, experiment_id: str, user_ids: Sequence[str]
) -> dict[str, str]:
    """Return the variants that are stored for users, by user id; users without one are left out."""
    c = assignments.c
    mine = and_(c.organization_id == organization_id, c.experiment_id == experiment_id)
    found: dict[str, str] = {}
    for start in range(0, len(user_ids), _CHUNK):
        users = list(user_ids[start : start + _CHUNK])
        statement = select(c.user_id, c.variant).where(mine)
        if connection.dialect.name == "postgresql":
            # Joined, each user is looked up in the index; compared with ANY, a statement that PostgreSQL has prepared
            # holds every stored user against every wanted one, which took 250 times as long.
            wanted = func.unnest(literal(users, ARRAY(Text))).table_valued("user_id", name="wanted").render_derived()
            statement = statement.join_from(wanted, assignments, and_(mine, c.user_id == wanted.c.user_id))
        else:
            wanted = func.json_each(json.dumps(users)).table_valued("value")
            statement = statement.where(c.user_id.in_(select(wanted.c.value)))
        found.update(tuple(row) for row in connection.execute(statement))
    return found


def count_assignments(connection: Connection, organization_id: str, experiment_id: str) -> dict[str, int]:
    """Return the number of assigned users by variant."""
    c = assignments.c
    statement = (
        select(c.variant, func.count())
        .where(c.organization_id == organization_id, c.experiment_id == experiment_id)
        .group_by(c.variant)
    )
    return dict(tuple(row) for row in connection.execute(statement))
