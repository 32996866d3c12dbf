"""The version of a store's tables: created, upgraded, or refused because a newer abkit wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, column, func, inspect, select, table

from abkit.errors import StoreError
from abkit.store.engine import reading, with_retry, writing
from abkit.store.tables import metadata

HEAD: Final = "0001"
"""The newest migration; a store that is there already is recognized without loading Alembic."""

VERSION_TABLE: Final = "abkit_version"
_LOCK: Final = 0x61626B6974  # any number that nobody else locks: "abkit"
_MIGRATIONS: Final = Path(__file__).with_name("migrations")


def upgrade(engine: Engine) -> None:
    """Create the tables, or bring them up to what this abkit needs; processes that start together wait for one.

    Parameters
    ----------
    engine : Engine
        From `open_engine`.

    Raises
    ------
    StoreError
        A newer abkit wrote the store, or the database cannot be used.

    Examples
    --------
    >>> from abkit.store.engine import open_engine
    >>> engine = open_engine("sqlite://")
    >>> upgrade(engine)
    >>> upgrade(engine)
    """
    if with_retry(lambda: _read_version(engine)) != HEAD:
        with_retry(lambda: _migrate(engine))


def _read_version(engine: Engine) -> str | None:
    with reading(engine) as connection:
        return _version(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    return found


def _migrate(engine: Engine) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    known = [revision.revision for revision in script.walk_revisions()]
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        found = _version(connection)
        if found is not None and found not in known:
            raise StoreError(
                f"{engine.url.render_as_string(hide_password=True)}: a newer abkit wrote this store (schema {found}, "
                f"this abkit knows up to {HEAD}); upgrade abkit, or open another store"
            )
        environment = EnvironmentContext(config, script, fn=lambda at, _: script._upgrade_revs(HEAD, at))
        with environment:
            environment.configure(connection=connection, target_metadata=metadata, version_table=VERSION_TABLE)
            environment.run_migrations()
