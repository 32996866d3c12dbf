"""The audit log: entries are appended in the transaction of what they tell, and never changed."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, insert, select

from abkit.store.paging import check_limit, page_of, read_cursor
from abkit.store.records import AuditEntry, Page
from abkit.store.tables import audit_log


def append_audit(connection: Connection, organization_id: str, entry: AuditEntry, *, order: int) -> None:
    """Append an entry.

    Parameters
    ----------
    order : int
        Decides between entries of the same microsecond: the version that the change led to.
    """
    row: dict[str, Any] = {name: getattr(entry, name) for name in AuditEntry.__dataclass_fields__}
    microseconds = int(entry.at.timestamp() * 1_000_000)
    row["id"] = f"{microseconds:016x}{order:08x}{secrets.token_hex(4)}"  # ids sort as the entries happened
    connection.execute(insert(audit_log), {**row, "organization_id": organization_id})


def list_audit(
    connection: Connection,
    organization_id: str,
    *,
    experiment_id: str | None = None,
    agent_id: str | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Page[AuditEntry]:
    """Return a page of entries, the oldest first, of one experiment or agent or of all.

    Raises
    ------
    ParameterError
        The cursor or the limit cannot be used.
    """
    c = audit_log.c
    columns = [column for column in c if column is not c.organization_id]
    statement = select(*columns).where(c.organization_id == organization_id)
    if experiment_id is not None:
        statement = statement.where(c.experiment_id == experiment_id)
    if agent_id is not None:
        statement = statement.where(c.agent_id == agent_id)
    if cursor is not None:
        statement = statement.where(c.id > read_cursor(cursor, 1)[0])
    rows = connection.execute(statement.order_by(c.id).limit(check_limit(limit) + 1))
    return page_of([AuditEntry(**row._mapping) for row in rows], limit, lambda last: (last.id,))
