"""The databases that histories and fleets are kept in: a URL -> transactions, SQLite's and PostgreSQL's.

A transaction is a function of a connection. It is run again where a connection was lost or a file is in use, as far as
whoever opened it says that this is right. What a URL holds besides the address (a password) is in no error.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import sqlalchemy as sa

from imgscan.errors import EngineError, ImgscanError, InputError
from imgscan.source.backoff import Backoff, Effects, TransientError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection, Engine

T = TypeVar("T")
PATIENT_TRIES: Final = 9
"""Some 35 to 70 s in all: as long as a server takes that is started again."""
_BUSY_S: Final = 10.0
_SCHEMES: Final = ("sqlite", "postgresql", "postgresql+psycopg")
_WRITES: Final = "imgscan_writes"
_KEEPALIVE: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""A server that is gone without a word is noticed within a minute, not after the two hours of the system's own."""
_LOST_STATES: Final = frozenset(("57P01", "57P02", "57P03", "53300", "40001", "40P01", "55P03"))
"""SQLSTATEs (PostgreSQL, appendix A) after which the same transaction may do: the server ends or starts, has no
connection left, or chose this transaction to make room for another one. All of class 08 besides."""
_BUSY_CODES: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_left_to_parent: Final[list[Any]] = []


def data_url(file: str) -> str:
    """A file below `$XDG_DATA_HOME/imgscan`, by default below `~/.local/share`, as a URL."""
    base = os.environ.get("XDG_DATA_HOME", "")
    root = Path(base) if base.startswith("/") else Path("~/.local/share").expanduser()
    return f"sqlite:///{root / 'imgscan' / file}"


class Database:
    """An open database. `noun` is what is kept in it, as errors call it; `tries` is how often a transaction is begun
    where PostgreSQL does not answer: more than once only for what may happen twice. With SQLite another try is always
    right, since nothing happened."""

    def __init__(
        self, url: str, *, noun: str, effects: Effects | None = None, tries: int = 1, busy_s: float = _BUSY_S
    ) -> None:
        """`busy_s` is how long SQLite itself waits for a file that is in use. Raises InputError for a URL or a file
        that cannot be used; nothing is connected yet."""
        self._noun = noun
        self._effects = effects or Effects()
        parsed = _parsed(url, noun)
        self._secrets = _secrets_of(url, parsed)
        self.is_sqlite = parsed.drivername == "sqlite"
        self.tries = tries
        self._engine = _sqlite_engine(parsed, noun, busy_s) if self.is_sqlite else _postgres_engine(parsed)

    def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` reads, in one transaction that waits for no writer. Raises EngineError when the database cannot
        be reached, InputError when it cannot be used."""
        return self._run(work, writes=False)

    def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` does, all of it or nothing. Raises EngineError when the database cannot be reached, InputError
        when it cannot be used."""
        return self._run(work, writes=True)

    def shrink(self) -> None:
        """Give room that is free inside the file back; PostgreSQL sees to that itself."""
        if self.is_sqlite:
            raw = self._engine.raw_connection()
            try:
                with contextlib.suppress(sqlite3.Error):
                    # `execute` would free one page.
                    raw.driver_connection.executescript("PRAGMA incremental_vacuum")  # type: ignore[union-attr]
            finally:
                raw.close()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _run(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        backoff = Backoff(self._effects, PATIENT_TRIES if self.is_sqlite else self.tries)
        while True:
            try:
                with self._engine.connect() as connection:
                    connection.execution_options(**{_WRITES: writes})
                    with connection.begin():
                        return work(connection)
            except sa.exc.DBAPIError as error:
                reason = self._without_secrets(str(error.orig).strip().partition("\n")[0])
                if not _may_be_over(error):
                    raise self._told(error, reason) from None
                if not backoff.wait(TransientError(f"{self._noun} does not answer: {reason}")):
                    raise self._told(error, reason) from None

    def _told(self, error: sa.exc.DBAPIError, reason: str) -> ImgscanError:
        if self.is_sqlite:
            return InputError(f"{self._noun} cannot be used", cause=reason, next_step="check --store")
        if isinstance(error, sa.exc.OperationalError) or _may_be_over(error):
            return EngineError(f"{self._noun} cannot be reached", cause=reason, next_step="check --store")
        return InputError(f"{self._noun} cannot be used", cause=reason)

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def lock(connection: Connection, name: str) -> None:
    """Until the transaction ends nobody else has the lock of this name. SQLite has one writer at any time anyway.

    A transaction that takes several takes them in the order of `lock_number`.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_number(name))))


def lock_number(name: str) -> int:
    """A name's number among PostgreSQL's advisory locks."""
    digest = hashlib.sha256(f"imgscan:{name}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def plain_text(text: str) -> str:
    """Text as both databases take it: PostgreSQL's cannot hold a NUL, and nobody encodes half a surrogate pair."""
    return text.replace("\0", "").encode("utf-8", "backslashreplace").decode()


def parts(items: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    """A query takes only so many values."""
    for at in range(0, len(items), size):
        yield items[at : at + size]


def _parsed(url: str, noun: str) -> URL:
    form = "sqlite:///FILE or postgresql://HOST/DATABASE"
    try:
        parsed = sa.make_url(url if "://" in url else f"sqlite:///{url}")
    except (sa.exc.ArgumentError, ValueError):
        raise InputError(f"the URL of {noun} cannot be read", next_step=f"write {form}") from None
    if parsed.drivername not in _SCHEMES:
        raise InputError(f"{noun} cannot be kept in {parsed.drivername}", next_step=f"use {form}")
    if parsed.host is not None and "@" in parsed.host:
        # The rest of a password would be told as the name of a host.
        raise InputError(f"the URL of {noun} has more than one @", next_step="write %40 for an @ in the password")
    return parsed


def _secrets_of(url: str, parsed: URL) -> tuple[str, ...]:
    """What must not be told: passwords, as they are and as they stand in the URL; the longest first."""
    found = {str(parsed.password)} if parsed.password else set()
    values = {value for key, value in parsed.query.items() if "pass" in key.lower() and isinstance(value, str)}
    found |= {value for value in values if value}
    if parsed.password and "://" in url:
        before, at, _ = url.partition("://")[2].rpartition("@")
        found |= {before.partition(":")[2]} if at else set()
    return tuple(sorted(found - {""}, key=len, reverse=True))


def _sqlite_engine(parsed: URL, noun: str, busy_s: float) -> Engine:
    if not parsed.database or parsed.database == ":memory:":
        raise InputError(f"{noun} needs a file: sqlite:///FILE")
    path = Path(parsed.database)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # It names images and what is wrong with them: made for its owner alone, and so are SQLite's files beside it.
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        is_regular = stat.S_ISREG(os.fstat(file).st_mode)
        os.close(file)
    except (OSError, ValueError) as error:
        raise InputError(f"{noun} cannot be kept in {path}", cause=getattr(error, "strerror", "")) from error
    if not is_regular:
        raise InputError(f"{noun} cannot be kept in {path}", cause="it is no file", next_step="check --store")
    engine = sa.create_engine(parsed, connect_args={"timeout": busy_s}, poolclass=sa.pool.QueuePool)
    sa.event.listen(engine, "connect", _sqlite_connect)
    sa.event.listen(engine, "begin", _sqlite_begin)
    return _safe_after_fork(engine)


def _postgres_engine(parsed: URL) -> Engine:
    arguments: dict[str, Any] = {key: value for key, value in _KEEPALIVE.items() if key not in parsed.query}
    # A pooler between us and the server would not know a statement that was prepared on another connection of its.
    arguments["prepare_threshold"] = None
    try:
        engine = sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"), connect_args=arguments, isolation_level="READ COMMITTED"
        )
    except ModuleNotFoundError as error:
        raise InputError(
            "PostgreSQL needs the package psycopg", next_step="pip install 'imgscan[postgresql]'"
        ) from error
    return _safe_after_fork(engine)


def _sqlite_connect(connection: sa.engine.interfaces.DBAPIConnection, record: object) -> None:
    # The transaction is ours to begin: sqlite3 would begin it at the first change only, and two runs would meet there.
    connection.isolation_level = None
    cursor = connection.cursor()
    # This one first: it has no effect once there is a first page, which the journal's mode makes.
    # NORMAL: a process that is killed loses nothing; a machine that loses power may lose the last moment, as a whole.
    for pragma in ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _safe_after_fork(engine: Engine) -> Engine:
    """A forked process makes connections of its own; those of its parent it neither uses nor closes."""

    def made(connection: object, record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        record.info["pid"] = os.getpid()

    def taken(connection: object, record: Any, proxy: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        if record.info["pid"] != os.getpid():
            _left_to_parent.append(connection)
            record.dbapi_connection = proxy.dbapi_connection = None
            raise sa.exc.DisconnectionError("the connection is another process's")

    sa.event.listen(engine, "connect", made)
    sa.event.listen(engine, "checkout", taken)
    return engine


def _may_be_over(error: sa.exc.DBAPIError) -> bool:
    """Whether the same transaction may do when it is begun again."""
    if isinstance(error.orig, sqlite3.Error):
        return (getattr(error.orig, "sqlite_errorcode", 0) & 0xFF) in _BUSY_CODES
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        # No server said it: there is no connection, or no longer.
        return error.connection_invalidated or isinstance(error, sa.exc.OperationalError)
    return error.connection_invalidated or state.startswith("08") or state in _LOST_STATES
