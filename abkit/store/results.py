"""Analyses that were kept."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from abkit.store.records import StoredResult
from abkit.store.tables import results


def add_result(
    connection: Connection,
    organization_id: str,
    experiment_id: str,
    kind: str,
    analysis: Mapping[str, Any],
    *,
    now: datetime,
) -> str:
    """Keep an analysis (`Analysis.to_dict()`) and return the id it got."""
    result_id = str(uuid.uuid4())
    row = {
        "organization_id": organization_id,
        "experiment_id": experiment_id,
        "id": result_id,
        "created_at": now,
        "kind": kind,
        "analysis": dict(analysis),
    }
    connection.execute(insert(results), row)
    return result_id


def latest_result(
    connection: Connection, organization_id: str, experiment_id: str, kind: str = "final"
) -> StoredResult | None:
    """Return the last analysis of a kind that was kept for an experiment."""
    c = results.c
    row = connection.execute(
        select(c.experiment_id, c.id, c.created_at, c.kind, c.analysis)
        .where(c.organization_id == organization_id, c.experiment_id == experiment_id, c.kind == kind)
        .order_by(c.created_at.desc(), c.id)
        .limit(1)
    ).first()
    return StoredResult(**row._mapping) if row is not None else None
