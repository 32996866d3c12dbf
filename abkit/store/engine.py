"""Opening a store: SQLite as it must be set for several processes, or PostgreSQL; transactions, and when to retry."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from abkit.errors import DataError, ParameterError, StoreError

T = TypeVar("T")

_READS: Final = "abkit_reads"
_WAIT_SECONDS: Final = 30
_PASSING_STATES: Final = ("08", "40", "53", "55P03", "57P")  # connection, rollback, resources, lock, shutdown
_DISK_FULL: Final = "53100"
_OUT_OF_RANGE: Final = "22003"
_PASSING_WORDS: Final = ("locked", "busy")


def open_engine(url: str | URL) -> Engine:
    """Open a store without looking at its tables.

    SQLite files are in WAL mode with foreign keys, and every transaction that may write takes the write lock at its
    beginning: taking it later fails under several processes, however long one waits. A store in memory has one
    connection, which threads take turns to use, so a transaction must not open a second one.

    Parameters
    ----------
    url : str or URL
        ``sqlite:///abkit.db``, ``sqlite://`` (in memory) or ``postgresql://user@host/database``.

    Returns
    -------
    Engine

    Raises
    ------
    ParameterError
        Not the address of a store.

    Examples
    --------
    >>> open_engine("sqlite://").dialect.name
    'sqlite'
    """
    address = _parse(url)
    if address.get_backend_name() == "sqlite":
        return _open_sqlite(address)
    try:
        return create_engine(
            address,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 10, "application_name": "abkit", "options": "-c timezone=UTC"},
        )
    except ModuleNotFoundError:
        raise StoreError(
            "a store in PostgreSQL needs the driver psycopg, which is not installed: pip install 'psycopg[binary]'"
        ) from None


def _parse(url: str | URL) -> URL:
    text = str(url) if isinstance(url, str) else url.render_as_string(hide_password=False)
    try:
        address = make_url(text.replace("postgres://", "postgresql://", 1) if text.startswith("postgres:") else text)
    except ArgumentError:
        raise ParameterError(
            f"{_without_password(text)!r} is not the address of a store; use sqlite:///abkit.db or postgresql://user@host/database"
        ) from None
    backend = address.get_backend_name()
    if backend == "postgresql":
        return address.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return address.set(drivername="sqlite+pysqlite")
    raise ParameterError(f"a store is in SQLite or PostgreSQL, not in {backend}; use sqlite:///abkit.db")


def _without_password(text: str) -> str:
    """What cannot be parsed may still hold a password."""
    head, sign, tail = text.rpartition("@")
    return f"***@{tail}" if sign and head else text


def _open_sqlite(address: URL) -> Engine:
    options: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": _WAIT_SECONDS}}
    in_memory = _is_in_memory(address)
    if in_memory:
        options |= {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0, "pool_timeout": _WAIT_SECONDS}
    elif not Path(address.database or "").absolute().parent.is_dir():
        raise StoreError(f"there is no folder for the store {address.database}; create it first")
    engine = create_engine(address, **options)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        connection.execute(f"PRAGMA busy_timeout = {_WAIT_SECONDS * 1000}")
        connection.execute("PRAGMA foreign_keys = ON")
        if not in_memory:
            _use_wal(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(_READS)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _is_in_memory(address: URL) -> bool:
    return address.database in {None, "", ":memory:"} or address.query.get("mode") == "memory"


def _use_wal(connection: Any) -> None:
    """Changing the mode ignores the busy timeout, so that processes which start together need to try again."""
    for attempt in range(100):
        if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            break
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except Exception as error:
            if "locked" not in str(error) or attempt == 99:
                raise
            time.sleep(0.05)
    connection.execute("PRAGMA synchronous = NORMAL")


def reader(engine: Engine) -> Engine:
    """Return the same engine for reading only: a transaction sees one state of the store and blocks no writer."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{_READS: True})
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that only reads.

    Raises
    ------
    StoreError
        The store cannot be reached or read.
    """
    with _explained(engine), reader(engine).begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that may write; it is committed at the end, or rolled back if anything is raised.

    Raises
    ------
    StoreError
        The store cannot be reached or written.
    """
    with _explained(engine), engine.begin() as connection:
        yield connection


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise explain(error, engine) from error
    except _driver_error(engine) as error:  # of what was handed to the driver itself, such as COPY
        known = DBAPIError.instance(None, None, error, _driver_error(engine), dialect=engine.dialect)
        raise explain(known, engine) from known
    except PoolTimeout:
        where = engine.url.render_as_string(hide_password=True)
        raise StoreError(
            f"{where}: every connection was in use for {_WAIT_SECONDS} s; repeat the call, and look for a transaction "
            "that is left open"
        ) from None


def _driver_error(engine: Engine) -> type[Exception]:
    found: type[Exception] = engine.dialect.loaded_dbapi.Error
    return found


def explain(error: StatementError, engine: Engine) -> StoreError | DataError:
    """Say what a database's error means for the person who reads it."""
    where = engine.url.render_as_string(hide_password=True)
    said = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
    if getattr(error.orig, "sqlstate", None) == _OUT_OF_RANGE:
        return DataError(f"values are so large that they cannot be added up ({said}); take out what is absurd")
    if _is_disk_full(error):
        way_out = "the disk is full: make room and repeat the call; nothing of it was stored"
    elif is_passing(error):
        way_out = "the store is busy or was not reachable: repeat the call; nothing of it is known to be stored"
    elif "no such table" in said or getattr(error.orig, "sqlstate", None) == "42P01":
        way_out = "this database has no store in it: open it with ab.connect(url), which creates one"
    else:
        way_out = "nothing of the call was stored"
    return StoreError(f"{where}: {said}; {way_out}")


def _is_disk_full(error: StatementError) -> bool:
    said = str(error.orig)
    return getattr(error.orig, "sqlstate", None) == _DISK_FULL or "disk is full" in said or "No space left" in said


def is_passing(error: BaseException) -> bool:
    """Whether a database's error may be gone at the next attempt: locks, deadlocks, lost connections."""
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state != _DISK_FULL and str(state).startswith(_PASSING_STATES)
    said = str(error.orig).lower()
    if isinstance(error, OperationalError | InterfaceError):
        return any(word in said for word in (*_PASSING_WORDS, "connection", "server closed", "could not receive"))
    return False


def with_retry(
    operation: Callable[[], T],
    *,
    attempts: int = 6,
    first_delay: float = 0.05,
    jitter: Callable[[], float] = random.random,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Run an operation again when the store was busy or away for a moment.

    Parameters
    ----------
    operation : callable
        Does the same when it is done twice: nobody knows whether a commit arrived whose answer was lost.
    attempts : int
        Calls at most.
    first_delay : float
        Seconds before the second call; doubles from call to call.
    jitter : callable
        Returns a number in [0, 1) that spreads the delays, so that many processes do not come back together.
    sleep : callable

    Returns
    -------
    Whatever the operation returns.

    Examples
    --------
    >>> with_retry(lambda: 7)
    7
    """
    for attempt in range(attempts):
        try:
            return operation()
        except (DBAPIError, StoreError) as error:
            cause = error if isinstance(error, DBAPIError) else error.__cause__
            if attempt + 1 == attempts or cause is None or not is_passing(cause):
                raise
        sleep(first_delay * 2**attempt * (0.5 + jitter()))
    raise AssertionError("attempts must be at least 1")
