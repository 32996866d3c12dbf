"""Who was assigned to what: the first answer that was stored is the one that counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Text, and_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from abkit.store.insert import insert_new
from abkit.store.tables import assignments

_CHUNK = 20_000


def add_assignments(
    connection: Connection, organization_id: str, experiment_id: str, chosen: Mapping[str, str], *, now: datetime
) -> int:
    """Keep variants by user id where the user has none yet; return how many were new.

    Users are inserted in one order, so that two loads with the same users wait for each other and never deadlock.
    """
    users = sorted(chosen)
    row = {"organization_id": organization_id, "experiment_id": experiment_id, "assigned_at": now}
    return sum(
        insert_new(
            connection,
            assignments,
            [{**row, "user_id": user, "variant": chosen[user]} for user in users[start : start + _CHUNK]],
        )
        for start in range(0, len(users), _CHUNK)
    )


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
            statement = statement.where(c.user_id.in_(users))
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
