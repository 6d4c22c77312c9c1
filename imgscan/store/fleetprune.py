"""What a fleet's store forgets: old runs, results that nobody uses, findings that were fixed before the oldest run that
is kept. Bit by bit, in short transactions, so that runs that are under way need not wait.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa

from imgscan.fleets import Change
from imgscan.frozen import frozen
from imgscan.layers.blocks import CacheDamagedError
from imgscan.store.database import lock
from imgscan.store.fleetresults import unpack
from imgscan.store.fleetruns import ENDING
from imgscan.store.fleettables import CHANGES, FINDINGS, IMAGES, LAYERS, NAMES, RUN_IMAGES, RUNS

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_PART: Final = 200
_DAY_S: Final = 86_400

Write = Callable[[Callable[["Connection"], int]], int]
"""Runs a transaction."""


@frozen
class Bounds:
    """What is kept: the latest `runs` of each set of sources, results used in the last `days` days, those of other
    rules than `ruleset` if used in the last `other_days`. `today` counts from 1970."""

    today: int
    ruleset: int
    runs: int
    days: int
    other_days: int

    @property
    def time(self) -> str:
        """When the `days` began, as an ISO time in UTC."""
        began = datetime.datetime.fromtimestamp((self.today - self.days) * _DAY_S, datetime.UTC)
        return began.isoformat(timespec="seconds")

    def unused(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """The rows of a table of results that nobody used for long enough."""
        return sa.or_(
            sa.and_(table.c.ruleset == self.ruleset, table.c.used_on < self.today - self.days),
            sa.and_(table.c.ruleset != self.ruleset, table.c.used_on < self.today - self.other_days),
        )


def forget_runs(write: Write, bounds: Bounds) -> int:
    """Forget runs: those that ended, but for the latest, and those that never did and are old. How many."""
    old: list[int] = []

    def choose(connection: Connection) -> int:
        lock(connection, ENDING)
        kept: dict[str, int] = {}
        for row in connection.execute(sa.select(RUNS).where(sa.not_(RUNS.c.forgotten)).order_by(RUNS.c.id.desc())):
            if row.finished_at is None:
                is_old = row.started_at < bounds.time
            else:
                kept[row.sources] = kept.get(row.sources, 0) + 1
                is_old = kept[row.sources] > bounds.runs
            if is_old:
                old.append(row.id)
        return len(old)

    write(choose)
    for run in old:
        _repeat(write, _part_of(RUN_IMAGES, RUN_IMAGES.c.run == run, RUN_IMAGES.c.image))
        write(partial(_forget_run, run=run))
    return len(old)


def forget_findings(write: Write, bounds: Bounds) -> int:
    """Remove findings whose end every run that is kept lies behind. How many."""
    oldest = sa.select(sa.func.min(RUNS.c.started_at)).where(sa.not_(RUNS.c.forgotten)).scalar_subquery()

    def told(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        joined = sa.select(CHANGES.c.run).join(RUNS, RUNS.c.id == CHANGES.c.run)
        return sa.exists(joined.where(CHANGES.c.finding == FINDINGS.c.id, condition))

    by_kept_run = told(sa.not_(RUNS.c.forgotten))
    # An end that nobody was told of is still to be told.
    end = told(sa.and_(CHANGES.c.change == Change.FIXED.value, RUNS.c.finished_at.is_not(None)))
    since = sa.func.coalesce(oldest, bounds.time)
    gone = sa.and_(
        FINDINGS.c.fixed_at < since,
        FINDINGS.c.fixed_at < bounds.time,
        FINDINGS.c.last_seen < since,
        sa.or_(FINDINGS.c.silent, end),
        sa.not_(by_kept_run),
    )
    return _repeat(write, _part_of(FINDINGS, gone, FINDINGS.c.id))


def forget_names(write: Write, bounds: Bounds) -> int:
    """Remove names that were not seen for long and are in no run that is kept, with all that was found there."""
    used = sa.exists(sa.select(RUN_IMAGES.c.run).where(RUN_IMAGES.c.image == NAMES.c.id))
    return _repeat(write, _part_of(NAMES, sa.and_(NAMES.c.last_seen < bounds.time, sa.not_(used)), NAMES.c.id))


def forget_images(write: Write, bounds: Bounds) -> int:
    """Remove reports that no run refers to and nobody used. How many."""
    used = sa.exists(
        sa.select(RUN_IMAGES.c.run)
        .join(RUNS, RUNS.c.id == RUN_IMAGES.c.run)
        .where(RUN_IMAGES.c.result == IMAGES.c.key, RUNS.c.ruleset == IMAGES.c.ruleset)
    )
    return _repeat(write, _part_of(IMAGES, sa.and_(bounds.unused(IMAGES), sa.not_(used)), IMAGES.c.id))


def forget_layers(read: Callable[[Callable[[Connection], Any]], Any], write: Write, bounds: Bounds) -> int:
    """Remove results of layers that nobody used, neither by themselves nor by a report that was used. How many."""
    used = _layers_of_reports(read, bounds)
    after, removed = 0, 0
    while True:
        chosen = sa.and_(bounds.unused(LAYERS), LAYERS.c.id > after)
        query = sa.select(LAYERS.c.id, LAYERS.c.ruleset, LAYERS.c.diff_id).where(chosen).order_by(LAYERS.c.id)
        rows: Sequence[Any] = read(partial(_rows, query=query.limit(_PART)))
        if not rows:
            return removed
        after = rows[-1].id
        ids = [row.id for row in rows if row.ruleset != bounds.ruleset or row.diff_id not in used]
        unused = sa.and_(LAYERS.c.id.in_(ids), bounds.unused(LAYERS))
        if ids:
            removed += write(partial(_delete, table=LAYERS, chosen=unused))


def _layers_of_reports(read: Callable[[Callable[[Connection], Any]], Any], bounds: Bounds) -> set[str]:
    """The layers of the reports that were used: of what is kept, only these are looked at when an image is not new."""
    used: set[str] = set()
    after = 0
    while True:
        chosen = sa.and_(
            IMAGES.c.id > after,
            IMAGES.c.ruleset == bounds.ruleset,
            IMAGES.c.used_on >= bounds.today - bounds.days,
        )
        query = sa.select(IMAGES.c.id, IMAGES.c.layers).where(chosen).order_by(IMAGES.c.id).limit(_PART)
        rows: Sequence[Any] = read(partial(_rows, query=query))
        if not rows:
            return used
        after = rows[-1].id
        for row in rows:
            try:
                used.update(_decode_layers(unpack(row.layers)))
            except CacheDamagedError:
                # It is as good as not there, and so is what it says.
                continue


def _part_of(table: sa.Table, chosen: sa.ColumnElement[bool], key: sa.Column[Any]) -> Callable[[Connection], int]:
    """Removes some of the rows; those that somebody holds are left out."""

    def remove(connection: Connection) -> int:
        query = sa.select(key).where(chosen).order_by(key).limit(_PART).with_for_update(of=table, skip_locked=True)
        ids = list(connection.scalars(query))
        return _delete(connection, table, sa.and_(key.in_(ids), chosen)) if ids else 0

    return remove


def _delete(connection: Connection, table: sa.Table, chosen: sa.ColumnElement[bool]) -> int:
    return connection.execute(sa.delete(table).where(chosen)).rowcount


def _rows(connection: Connection, query: sa.Select[Any]) -> Sequence[Any]:
    return connection.execute(query).all()


def _repeat(write: Write, remove: Callable[[Connection], int]) -> int:
    """Remove parts until nothing is left that may go."""
    removed = 0
    while part := write(remove):
        removed += part
    return removed


def _forget_run(connection: Connection, run: int) -> int:
    # Its row and what it told stay: what is new and what is not depends on it.
    values = {"forgotten": True, "gone": "[]"}
    return connection.execute(sa.update(RUNS).where(RUNS.c.id == run).values(values)).rowcount


_decode_layers: Final = msgspec.json.Decoder(list[str]).decode
