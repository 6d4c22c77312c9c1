"""What earlier runs found, in a database: figures for trends, findings with when they were first and last seen.

SQLite by default (one file), PostgreSQL by its URL. Several runs may record at once: those of one target wait for each
other. It holds what reports hold, so no secret.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from imgscan.acceptance import open_findings
from imgscan.delta import figures_of
from imgscan.model import Finding, Report
from imgscan.pastruns import GoneFinding, Recorded, Run
from imgscan.store.database import Database, data_url, lock, parts, plain_text
from imgscan.store.historytables import FIGURES, FINDINGS, RUNS
from imgscan.store.migrate import migrate

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_NOUN: Final = "the history"


def default_url() -> str:
    """`history.sqlite3` of the user's data folder, as a URL."""
    return data_url("history.sqlite3")


@contextlib.contextmanager
def open_history(url: str) -> Iterator[History]:
    """The history at a URL (`sqlite:///path`, a plain path, `postgresql://…`), made if it is not there.

    Raises InputError for a URL or a file that cannot be used, EngineError when the database cannot be reached.
    """
    with contextlib.closing(Database(url, noun=_NOUN)) as database:
        migrate(database, _NOUN)
        yield History(database)


class History:
    """An open history."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, report: Report, target: str, at: str, label: str | None = None) -> Recorded:
        """Add a run of a target; `at` is an ISO time in UTC. All of it or nothing is written."""
        return self._database.write(lambda connection: _record(connection, report, target, at, label))

    def targets(self) -> list[tuple[str, int, str]]:
        """Every target with how many runs it has and when the last one was."""
        query = (
            sa.select(RUNS.c.target, sa.func.count(), sa.func.max(RUNS.c.recorded_at))
            .group_by(RUNS.c.target)
            .order_by(RUNS.c.target)
        )
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [(str(target), int(count), str(last)) for target, count, last in rows]

    def runs(self, target: str, last: int) -> list[Run]:
        """The latest runs of a target, oldest first."""
        return self._database.read(lambda connection: _runs(connection, target, last))

    def keep(self, target: str, runs: int) -> int:
        """Forget all but the latest runs of a target, and findings that were gone before them. How many runs went."""
        return self._database.write(lambda connection: _keep(connection, target, runs))


def _record(connection: Connection, report: Report, target: str, at: str, label: str | None) -> Recorded:
    lock(connection, target)
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


def _runs(connection: Connection, target: str, last: int) -> list[Run]:
    query = sa.select(RUNS).where(RUNS.c.target == target).order_by(RUNS.c.id.desc()).limit(last)
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


def _keep(connection: Connection, target: str, runs: int) -> int:
    lock(connection, target)
    ids = connection.scalars(sa.select(RUNS.c.id).where(RUNS.c.target == target).order_by(RUNS.c.id.desc()))
    old = list(ids)[runs:]
    for part in parts(old):
        connection.execute(sa.delete(FIGURES).where(FIGURES.c.run.in_(part)))
        connection.execute(sa.delete(RUNS).where(RUNS.c.id.in_(part)))
        connection.execute(sa.delete(FINDINGS).where(FINDINGS.c.target == target, FINDINGS.c.gone_run.in_(part)))
    return len(old)


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
    for part in parts(prints):
        chosen = sa.and_(FINDINGS.c.target == target, FINDINGS.c.fingerprint.in_(part))
        connection.execute(sa.update(FINDINGS).where(chosen).values(last_run=run))


def _add_findings(connection: Connection, target: str, run: int, findings: Sequence[Finding]) -> None:
    """New ones; one that was gone and is back is new again, from now on."""
    for part in parts([finding.fingerprint for finding in findings]):
        chosen = sa.and_(FINDINGS.c.target == target, FINDINGS.c.fingerprint.in_(part))
        connection.execute(sa.delete(FINDINGS).where(chosen))
    rows = [
        {
            "target": target,
            "fingerprint": finding.fingerprint,
            "rule_id": finding.rule_id,
            "severity": finding.severity.value,
            "message": plain_text(finding.message),
            "first_run": run,
            "last_run": run,
            "gone_run": None,
        }
        for finding in findings
    ]
    if rows:
        connection.execute(sa.insert(FINDINGS), rows)


def _let_go(connection: Connection, target: str, run: int, gone: Sequence[GoneFinding]) -> None:
    for part in parts([finding.fingerprint for finding in gone]):
        chosen = sa.and_(FINDINGS.c.target == target, FINDINGS.c.fingerprint.in_(part))
        connection.execute(sa.update(FINDINGS).where(chosen).values(gone_run=run))


def _figures(connection: Connection, runs: Sequence[int]) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    for part in parts(runs):
        for row in connection.execute(sa.select(FIGURES).where(FIGURES.c.run.in_(part))):
            found.setdefault(row.run, {})[row.key] = row.value
    return found
