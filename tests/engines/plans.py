"""How often statements read the data, as the engines themselves say with EXPLAIN."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Select

from abkit.collectors.engine_query import duckdb_query
from abkit.collectors.engines import Database, DuckDB

_NO_TABLE = {"CTE_SCAN", "REC_CTE_SCAN", "COLUMN_DATA_SCAN", "DELIM_SCAN", "DUMMY_SCAN"}


def counting(scans: list[int], run: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `rows` or `batches` of an engine: how often each statement reads the data is appended to `scans`."""

    def counted(engine: Any, statement: Select[Any], *others: Any) -> Any:
        scans.append(scans_of(engine, statement))
        return run(engine, statement, *others)

    return counted


def scans_of(engine: DuckDB | Database, statement: Select[Any]) -> int:
    """Return how often the plan of a statement reads rows of a table, a file or a frame."""
    if isinstance(engine, DuckDB):
        text, values = duckdb_query(statement)
        plan = engine._connection.execute(f"EXPLAIN (FORMAT JSON) {text}", values).fetchall()[0][1]
        names = [node["name"] for root in json.loads(plan) for node in _nodes(root, "children")]
        return sum(name not in _NO_TABLE and ("SCAN" in name or name.startswith("READ_")) for name in names)
    dialect = engine._connection.dialect
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    values = tuple(compiled.params[name] for name in compiled.positiontup) if compiled.positiontup else compiled.params
    if dialect.name == "sqlite":
        steps = engine._connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values).all()
        return sum(f"{verb} runs" in step[3] for step in steps for verb in ("SCAN", "SEARCH"))
    plan = engine._connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", values).scalar_one()
    return sum("Relation Name" in node for node in _nodes(plan[0]["Plan"], "Plans"))


def _nodes(node: dict[str, Any], inner: str) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get(inner, ()):
        yield from _nodes(part, inner)
