"""Spark: which session, and which frame in it."""

from __future__ import annotations

from typing import Any

from abkit.errors import DataError, NotFoundError, ParameterError, suggest

_LOCAL = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.sql.session.timeZone": "UTC"}


def spark_frame(session: Any, table: Any, where: str) -> Any:
    """Return the data frame of a source.

    Parameters
    ----------
    session : SparkSession or "spark"
        The text: the session of the table, else the active one, else a new one on this machine, which stays.
    table : str or Spark data frame
    where : str
        What to call the table in a message.

    Raises
    ------
    ParameterError
        Spark is not installed.
    NotFoundError
        No such table.
    DataError
        The table cannot be read.
    """
    failure = spark_errors()
    if hasattr(table, "sparkSession"):
        return table
    from pyspark.sql import SparkSession

    if session == "spark":
        session = SparkSession.getActiveSession() or _local(SparkSession.builder)
    try:
        if not session.catalog.tableExists(table):
            known = [one.name for one in session.catalog.listTables()]
            raise NotFoundError(f"there is no table {table!r} in Spark{suggest(table, known)}")
        return session.table(table)
    except failure as error:
        raise DataError(f"cannot read {where}: {error}") from None


def _local(builder: Any) -> Any:
    for name, value in _LOCAL.items():
        builder = builder.config(name, value)
    return builder.master("local[*]").getOrCreate()


def spark_errors() -> type[Exception]:
    """Return what Spark raises.

    Raises
    ------
    ParameterError
        Spark is not installed.
    """
    try:
        from pyspark.errors import PySparkException
    except ModuleNotFoundError:
        raise ParameterError("Spark is not installed: pip install '.[spark]' (it needs Java 17 or newer)") from None
    return PySparkException  # type: ignore[no-any-return]
