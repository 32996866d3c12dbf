"""Databases to test on: SQLite files, and a real PostgreSQL server that the tests start and stop."""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine

from abkit.store.engine import open_engine
from abkit.store.schema import upgrade

# The settings are those of tests: nothing here needs to survive a loss of power.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "lock_timeout": "30s",
    "max_connections": "200",
}


class Server:
    """A PostgreSQL server in a folder of its own; it can be stopped and started again with its data."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="abkit-pg-"))
        self.user = _unprivileged(self.folder)
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(self.folder), "TZ": "UTC"}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        options = ("-U", "abkit", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        subprocess.run(
            [programs / "initdb", "-D", self.folder / "data", *options],
            check=True,
            capture_output=True,
            env=self.environment,
            cwd=self.folder,
            **self.user,
        )
        self.start()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://abkit@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [self.programs / "postgres", "-D", self.folder / "data", "-p", str(self.port), "-k", self.folder]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*command, *settings], stderr=log, stdout=log, env=self.environment, cwd=self.folder, **self.user
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.02)

    def stop(self) -> None:
        """Cut every connection and shut down."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: say who is to run it."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _programs() -> Path | None:
    found = shutil.which("initdb") or next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))[::-1]), None)
    return Path(found).resolve().parent if found else None


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """One server for all tests; each test has a database of its own in it."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server on this machine (no initdb on PATH or in /usr/lib/postgresql)")
    server = Server(programs)
    yield server
    server.remove()


@contextlib.contextmanager
def _database(server: Server, template: str = "template1") -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    server.run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
    yield name
    server.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def postgresql_url(postgresql: Server) -> Iterator[str]:
    with _database(postgresql) as name:
        yield postgresql.url(name)


@pytest.fixture(scope="session")
def postgresql_with_tables(postgresql: Server) -> Iterator[str]:
    """Migrations take a second, a copy of what they made a hundredth."""
    with _database(postgresql) as name:
        _upgrade(postgresql.url(name))
        yield name


@pytest.fixture
def postgresql_store_url(postgresql: Server, postgresql_with_tables: str) -> Iterator[str]:
    with _database(postgresql, postgresql_with_tables) as name:
        yield postgresql.url(name)


@pytest.fixture(scope="session")
def sqlite_with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sqlite") / "store.db"
    _upgrade(f"sqlite:///{place}")
    return place


@pytest.fixture
def sqlite_store_url(sqlite_url: str, sqlite_with_tables: Path) -> str:
    shutil.copy(sqlite_with_tables, sqlite_url.removeprefix("sqlite:///"))
    return sqlite_url


def _upgrade(url: str) -> None:
    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database: the test runs once on SQLite and once on PostgreSQL."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The address of a store with its tables and nothing in them, on SQLite and on PostgreSQL."""
    return str(request.getfixturevalue(f"{request.param}_store_url"))


@pytest.fixture
def open_store() -> Iterator[Callable[[str], Engine]]:
    """Opens stores with their tables, and lets go of them at the end."""
    opened: list[Engine] = []

    def open_one(url: str) -> Engine:
        engine = open_engine(url)
        opened.append(engine)
        upgrade(engine)
        return engine

    yield open_one
    for engine in opened:
        engine.dispose()


@pytest.fixture
def store(store_url: str, open_store: Callable[[str], Engine]) -> Engine:
    """A store with its tables and nothing in them."""
    return open_store(store_url)
