"""What earlier runs found, in a database: figures for trends, findings with when they were first and last seen.

SQLite by default (one file), PostgreSQL by its URL. Several runs may record at once: those of one target wait for each
other. It holds what reports hold, so no secret.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import sqlalchemy as sa

from imgscan.acceptance import open_findings
from imgscan.delta import figures_of
from imgscan.errors import EngineError, InputError
from imgscan.model import Finding, Report
from imgscan.pastruns import GoneFinding, Recorded, Run
from imgscan.store.historytables import FIGURES, FINDINGS, METADATA, RUNS, VERSION, VERSIONS

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

T = TypeVar("T")
_BUSY_S: Final = 30.0
_SCHEMES: Final = ("sqlite", "postgresql", "postgresql+psycopg")


def default_url() -> str:
    """`$XDG_DATA_HOME/imgscan/history.sqlite3`, by default below `~/.local/share`, as a URL."""
    base = os.environ.get("XDG_DATA_HOME", "")
    root = Path(base) if base.startswith("/") else Path("~/.local/share").expanduser()
    return f"sqlite:///{root / 'imgscan' / 'history.sqlite3'}"


@contextlib.contextmanager
def open_history(url: str) -> Iterator[History]:
    """The history at a URL (`sqlite:///path`, a plain path, `postgresql://…`), made if it is not there.

    Raises InputError for a URL or a file that cannot be used, EngineError when the database cannot be reached.
    """
    engine = _engine(url)
    try:
        with _told(url):
            _prepare(engine)
        yield History(engine, url)
    finally:
        engine.dispose()


class History:
    """An open history."""

    def __init__(self, engine: Engine, url: str) -> None:
        self._engine = engine
        self._url = url

    def record(self, report: Report, target: str, at: str, label: str | None = None) -> Recorded:
        """Add a run of a target; `at` is an ISO time in UTC. All of it or nothing is written."""
        with _told(self._url), self._engine.begin() as connection:
            _lock(connection, target)
            first = connection.execute(sa.select(RUNS.c.id).where(RUNS.c.target == target).limit(1)).first() is None
            run = _add_run(connection, report, target, at, label)
            known = _standing(connection, target)
            found = {finding.fingerprint: finding for finding in open_findings(report.findings)}
            _see_again(connection, target, run, [print_ for print_ in found if print_ in known])
            new = tuple(finding for print_, finding in found.items() if print_ not in known)
            _add_findings(connection, target, run, new)
            gone = [known[print_] for print_ in known if print_ not in found] if report.complete else []
            _let_go(connection, target, run, gone)
        return Recorded(run=run, first=first, new=new, gone=tuple(gone), standing=len(found) - len(new))

    def targets(self) -> list[tuple[str, int, str]]:
        """Every target with how many runs it has and when the last one was."""
        query = (
            sa.select(RUNS.c.target, sa.func.count(), sa.func.max(RUNS.c.recorded_at))
            .group_by(RUNS.c.target)
            .order_by(RUNS.c.target)
        )
        with _told(self._url), self._engine.connect() as connection:
            return [(str(target), int(count), str(last)) for target, count, last in connection.execute(query)]

    def runs(self, target: str, last: int) -> list[Run]:
        """The latest runs of a target, oldest first."""
        query = sa.select(RUNS).where(RUNS.c.target == target).order_by(RUNS.c.id.desc()).limit(last)
        with _told(self._url), self._engine.connect() as connection:
            rows = list(connection.execute(query))[::-1]
            figures = _figures(connection, [row.id for row in rows])
        return [
            Run(
                id=row.id,
                recorded_at=row.recorded_at,
                verdict=row.verdict,
                complete=bool(row.complete),
                label=row.label,
                figures=figures.get(row.id, {}),
            )
            for row in rows
        ]

    def keep(self, target: str, runs: int) -> int:
        """Forget all but the latest runs of a target, and findings that were gone before them. How many runs went."""
        with _told(self._url), self._engine.begin() as connection:
            _lock(connection, target)
            ids = connection.scalars(sa.select(RUNS.c.id).where(RUNS.c.target == target).order_by(RUNS.c.id.desc()))
            old = list(ids)[runs:]
            for part in _parts(old):
                connection.execute(sa.delete(FIGURES).where(FIGURES.c.run.in_(part)))
                connection.execute(sa.delete(RUNS).where(RUNS.c.id.in_(part)))
                connection.execute(
                    sa.delete(FINDINGS).where(FINDINGS.c.target == target, FINDINGS.c.gone_run.in_(part))
                )
        return len(old)


def _engine(url: str) -> Engine:
    text = url if "://" in url else f"sqlite:///{url}"
    try:
        parsed = sa.make_url(text)
    except sa.exc.ArgumentError as error:
        raise InputError(
            "the history's URL cannot be read", next_step="write sqlite:///FILE or postgresql://HOST/DATABASE"
        ) from error
    if parsed.drivername not in _SCHEMES:
        raise InputError(
            f"a history cannot be kept in {parsed.drivername}",
            next_step="use sqlite:///FILE or postgresql://HOST/DATABASE",
        )
    if parsed.drivername == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise InputError("the history needs a file: sqlite:///FILE")
        try:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"the history {parsed.database} cannot be made: {error.strerror}") from error
        engine = sa.create_engine(parsed, connect_args={"timeout": _BUSY_S}, poolclass=sa.pool.NullPool)
        sa.event.listen(engine, "connect", _sqlite_connect)
        sa.event.listen(engine, "begin", _sqlite_begin)
        return engine
    try:
        return sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            connect_args={"connect_timeout": 10},
            poolclass=sa.pool.NullPool,
        )
    except ModuleNotFoundError as error:
        raise InputError(
            "PostgreSQL needs the package psycopg", next_step="pip install 'imgscan[postgresql]'"
        ) from error


def _sqlite_connect(connection: sa.engine.interfaces.DBAPIConnection, record: object) -> None:
    # The transaction is ours to begin: sqlite3 would begin it at the first change only, and two runs would meet there.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _prepare(engine: Engine) -> None:
    """Make the tables. Raises InputError when a newer imgscan made them."""
    with engine.begin() as connection:
        _lock(connection, "")
        METADATA.create_all(connection)
        version = connection.scalar(sa.select(sa.func.max(VERSIONS.c.version)))
        if version is None:
            connection.execute(sa.insert(VERSIONS).values(version=VERSION))
        elif version > VERSION:
            raise InputError(
                f"the history is of version {version}, this imgscan knows {VERSION}", next_step="use a newer imgscan"
            )


def _lock(connection: Connection, target: str) -> None:
    """Until the transaction ends nobody else records this target. SQLite has one writer at any time anyway."""
    if connection.dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(f"imgscan:{target}".encode()).digest()[:8], "big", signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def _add_run(connection: Connection, report: Report, target: str, at: str, label: str | None) -> int:
    values = {
        "target": target,
        "recorded_at": at,
        "verdict": report.verdict.value,
        "complete": report.complete,
        "version": report.tool.version,
        "image_id": report.target.image_id,
        "label": label,
    }
    run: int = connection.execute(sa.insert(RUNS).values(values).returning(RUNS.c.id)).scalar_one()
    figures = [{"run": run, "key": key, "value": value} for key, value in figures_of(report).items()]
    if figures:
        connection.execute(sa.insert(FIGURES), figures)
    return run


def _standing(connection: Connection, target: str) -> dict[str, GoneFinding]:
    """The findings that were there the last time."""
    query = sa.select(FINDINGS).where(FINDINGS.c.target == target, FINDINGS.c.gone_run.is_(None))
    return {
        row.fingerprint: GoneFinding(
            fingerprint=row.fingerprint, rule_id=row.rule_id, severity=row.severity, message=row.message
        )
        for row in connection.execute(query)
    }


def _see_again(connection: Connection, target: str, run: int, prints: Sequence[str]) -> None:
    for part in _parts(prints):
        chosen = sa.and_(FINDINGS.c.target == target, FINDINGS.c.fingerprint.in_(part))
        connection.execute(sa.update(FINDINGS).where(chosen).values(last_run=run))


def _add_findings(connection: Connection, target: str, run: int, findings: Sequence[Finding]) -> None:
    """New ones; one that was gone and is back is new again, from now on."""
    for part in _parts([finding.fingerprint for finding in findings]):
        chosen = sa.and_(FINDINGS.c.target == target, FINDINGS.c.fingerprint.in_(part))
        connection.execute(sa.delete(FINDINGS).where(chosen))
    rows = [
        {
            "target": target,
            "fingerprint": finding.fingerprint,
            "rule_id": finding.rule_id,
            "severity": finding.severity.value,
            # PostgreSQL's text cannot hold a NUL, and nobody encodes half a surrogate pair.
            "message": finding.message.replace("\0", "").encode("utf-8", "backslashreplace").decode(),
            "first_run": run,
            "last_run": run,
            "gone_run": None,
        }
        for finding in findings
    ]
    if rows:
        connection.execute(sa.insert(FINDINGS), rows)


def _let_go(connection: Connection, target: str, run: int, gone: Sequence[GoneFinding]) -> None:
    for part in _parts([finding.fingerprint for finding in gone]):
        chosen = sa.and_(FINDINGS.c.target == target, FINDINGS.c.fingerprint.in_(part))
        connection.execute(sa.update(FINDINGS).where(chosen).values(gone_run=run))


def _figures(connection: Connection, runs: Sequence[int]) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    for part in _parts(runs):
        for row in connection.execute(sa.select(FIGURES).where(FIGURES.c.run.in_(part))):
            found.setdefault(row.run, {})[row.key] = row.value
    return found


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """A query takes only so many values."""
    for at in range(0, len(items), 500):
        yield items[at : at + 500]


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """Errors of the database as ours, without what the URL holds (it may have a password)."""
    try:
        yield
    except sa.exc.OperationalError as error:
        kind = "PostgreSQL" if url.startswith("postgres") else "SQLite"
        reason = str(error.orig).strip().partition("\n")[0]
        if kind == "PostgreSQL":
            raise EngineError(
                "the history cannot be reached", cause=_without_password(reason, url), next_step="check --store"
            ) from None
        raise InputError("the history cannot be used", cause=reason, next_step="check --store") from None
    except sa.exc.DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise InputError("the history cannot be used", cause=_without_password(reason, url)) from None


def _without_password(text: str, url: str) -> str:
    password = sa.make_url(url).password if "://" in url else None
    return text.replace(str(password), "***") if password else text
