import re
import threading
from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, column, create_engine, inspect, table, text, update

from abkit.errors import ParameterError, StoreError
from abkit.store.engine import open_engine, reading, writing
from abkit.store.observation_tables import metadata
from abkit.store.schema import HEAD, VERSION_TABLE, upgrade


def test_the_migrations_make_exactly_the_tables_that_the_code_knows(store: Engine) -> None:
    with reading(store) as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "version_table": VERSION_TABLE}
        )
        assert compare_metadata(context, metadata) == []


def test_the_migrations_write_the_same_statements(open_store: Callable[[str], Engine]) -> None:
    """Alembic's comparison does not look at checks, conditions of indexes and the like: compare what SQLite noted."""
    plain = create_engine("sqlite://")
    metadata.create_all(plain)
    noted = text("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE :version AND sql IS NOT NULL ORDER BY name")
    found = []
    for engine in (plain, open_store("sqlite://")):
        with engine.connect() as connection:
            rows = connection.execute(noted, {"version": f"%{VERSION_TABLE}%"}).all()
            found.append({name: sorted(re.split(r"[\s,]+", sql)) for name, sql in rows})
    plain.dispose()
    assert found[0] == found[1]


def test_organization_leads_every_key_and_index(store: Engine) -> None:
    found = inspect(store)
    alone = {("public_id",), ("stream",)}  # a random number, and one that follows from organization and experiment
    for name in set(found.get_table_names()) - {VERSION_TABLE}:
        keys = [*found.get_indexes(name), *found.get_unique_constraints(name)]
        columns = [tuple(key["column_names"]) for key in keys]
        columns.append(tuple(found.get_pk_constraint(name)["constrained_columns"]))
        for key in columns:
            assert not key or key[0] in {"organization_id", "stream"} or key in alone, (name, key)


def test_a_newer_schema_is_refused(store: Engine) -> None:
    version = table(VERSION_TABLE, column("version_num"))
    with writing(store) as connection:
        connection.execute(update(version).values(version_num="9999"))
    with pytest.raises(StoreError, match=f"a newer abkit wrote this store .schema 9999, this abkit knows up to {HEAD}"):
        upgrade(store)


def test_stores_that_are_opened_together_are_created_once(database_url: str) -> None:
    engines = [open_engine(database_url) for _ in range(8)]
    failures: list[BaseException] = []

    def create(engine: Engine) -> None:
        try:
            upgrade(engine)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=create, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.dispose()
    assert failures == []


@pytest.mark.parametrize("url", ["", "abkit.db", "mysql://u@h/d", "duckdb:///x", "sqlite"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ParameterError, match=r"sqlite:///abkit\.db"):
        open_engine(url)


def test_a_store_that_cannot_be_opened_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(StoreError, match="no folder"):
        open_engine("sqlite:////nowhere/at/all/abkit.db")
    folder = tmp_path_factory.mktemp("store")
    (folder / "text.db").write_text("this is not a database, it is a text of some length\n" * 100)
    broken = open_engine(f"sqlite:///{folder / 'text.db'}")
    with pytest.raises(StoreError, match="not a database"):
        upgrade(broken)
    with pytest.raises(StoreError, match="repeat the call"):
        upgrade(open_engine("postgresql://nobody:secret@127.0.0.1:1/none"))


def test_a_password_is_never_shown() -> None:
    with pytest.raises(StoreError) as raised:
        upgrade(open_engine("postgresql://nobody:secret@127.0.0.1:1/none"))
    assert "secret" not in str(raised.value)


def test_a_store_in_memory_is_one_store_for_all_threads(open_store: Callable[[str], Engine]) -> None:
    engine = open_store("sqlite://")
    seen: list[list[str]] = []
    thread = threading.Thread(target=lambda: seen.append(inspect(engine).get_table_names()))
    thread.start()
    thread.join()
    assert "experiments" in seen[0]
