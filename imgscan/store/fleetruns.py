"""The runs over a fleet: when they began and ended, which images they had, and which names are no longer there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa

from imgscan.errors import InputError
from imgscan.fleets import FleetFigures, FleetFinding, FleetImage
from imgscan.lazyre import lazy_re
from imgscan.store.database import lock, plain_text
from imgscan.store.fleetfindings import tell_findings
from imgscan.store.fleetrecords import FleetRun
from imgscan.store.fleetresults import insert, unpack
from imgscan.store.fleettables import FINDINGS, NAMES, RUN_IMAGES, RUNS

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

ENDING: Final = "fleet runs"
"""The lock of whoever ends or forgets runs."""
_PAGE: Final = 20
_LOGIN: Final = lazy_re(r"(?<=://)[^/@\s]+@(?!sha\d+:)")


def begin_run(
    connection: Connection, ruleset: int, token: str, *, at: str, version: str, sources: Sequence[str]
) -> int:
    """The number of a new run; that of the run if whoever has the token has begun it before."""
    # Sources are arguments: whoever wrote a password into one did not mean to have it kept.
    plain = sorted({_LOGIN.sub("", plain_text(source)) for source in sources})
    values = {
        "token": token,
        "ruleset": ruleset,
        "version": version,
        "sources": msgspec.json.encode(plain).decode(),
        "started_at": at,
        "complete": False,
        "figures": "{}",
        "gone": "[]",
        "forgotten": False,
    }
    connection.execute(insert(connection, RUNS).values(values).on_conflict_do_nothing())
    run: int = connection.execute(sa.select(RUNS.c.id).where(RUNS.c.token == token)).scalar_one()
    return run


def find_run(connection: Connection, run: int) -> Row[Any]:
    """A run's row. Raises InputError if there is none."""
    row = connection.execute(sa.select(RUNS).where(RUNS.c.id == run)).first()
    if row is None:
        raise InputError(
            f"the fleet's store has no run {run}", next_step="see that --store is the one that it was recorded in"
        )
    return row


def finish_run(
    connection: Connection, run: int, *, at: str, figures: FleetFigures, complete: bool, listed: bool
) -> tuple[str, ...]:
    """End a run: from now on it has told what it found. `listed`: all that its sources have is among its images, so
    that names which an earlier run of the same sources had are gone; returns these."""
    lock(connection, ENDING)
    row = find_run(connection, run)
    gone: tuple[str, ...] = ()
    if row.finished_at is not None:
        return _names(row.gone)
    if listed:
        gone = _let_go(connection, row, at)
    values = {
        "finished_at": at,
        "complete": complete,
        "figures": msgspec.json.encode(figures).decode(),
        "gone": msgspec.json.encode(gone).decode(),
    }
    connection.execute(sa.update(RUNS).where(RUNS.c.id == run).values(values))
    return gone


def _let_go(connection: Connection, run: Row[Any], at: str) -> tuple[str, ...]:
    """Names that a run before this one had as the last, of the same sources."""
    query = (
        sa.select(NAMES.c.id, NAMES.c.name)
        .join(RUNS, RUNS.c.id == NAMES.c.last_run)
        .where(NAMES.c.gone_at.is_(None), NAMES.c.last_run < run.id, RUNS.c.sources == run.sources)
        .order_by(NAMES.c.id)
        .with_for_update(of=NAMES)
    )
    rows = connection.execute(query).all()
    if rows:
        bound = sa.update(NAMES).where(NAMES.c.id == sa.bindparam("number")).values(gone_at=at)
        connection.execute(bound, [{"number": row.id} for row in rows])
    return tuple(sorted(row.name for row in rows))


def last_runs(connection: Connection, last: int) -> list[FleetRun]:
    """The latest runs, oldest first."""
    query = sa.select(RUNS).where(sa.not_(RUNS.c.forgotten)).order_by(RUNS.c.id.desc()).limit(last)
    return [
        FleetRun(
            id=row.id,
            version=row.version,
            sources=_names(row.sources),
            started_at=row.started_at,
            finished_at=row.finished_at,
            complete=bool(row.complete),
            figures=msgspec.json.decode(row.figures, type=FleetFigures),
            gone=_names(row.gone),
        )
        for row in list(connection.execute(query))[::-1]
    ]


def page_images(connection: Connection, run: int, after: int) -> list[tuple[int, FleetImage]]:
    """Some images of a run with their name's row number, those after one."""
    return [(row.image, image) for row, image in _page(connection, run, after)]


def page_findings(connection: Connection, run: int, after: int) -> list[tuple[int, list[FleetFinding]]]:
    """The findings of some images of a run with the image's name's row number, those after one."""
    page = _page(connection, run, after)
    query = sa.select(FINDINGS).where(FINDINGS.c.image.in_([row.image for row, _ in page]))
    rows = {row.id: row for row in connection.execute(query)} if page else {}
    return [
        (row.image, tell_findings(rows, _decode_lists(unpack(row.findings)), image, first=bool(row.first)))
        for row, image in page
    ]


def find_result(connection: Connection, run: int, name_key: str) -> tuple[int, str] | None:
    """The set of rules and the key's hash of the report that an image had in a run."""
    query = (
        sa.select(RUNS.c.ruleset, RUN_IMAGES.c.result)
        .join(RUNS, RUNS.c.id == RUN_IMAGES.c.run)
        .join(NAMES, NAMES.c.id == RUN_IMAGES.c.image)
        .where(RUN_IMAGES.c.run == run, NAMES.c.key == name_key)
    )
    row = connection.execute(query).first()
    return None if row is None else (row.ruleset, row.result)


def _page(connection: Connection, run: int, after: int) -> list[tuple[Row[Any], FleetImage]]:
    query = (
        sa.select(RUN_IMAGES)
        .where(RUN_IMAGES.c.run == run, RUN_IMAGES.c.image > after)
        .order_by(RUN_IMAGES.c.image)
        .limit(_PAGE)
    )
    return [(row, _decode_image(unpack(row.record))) for row in connection.execute(query)]


def _names(stored: str) -> tuple[str, ...]:
    return msgspec.json.decode(stored, type=tuple[str, ...])


_decode_image: Final = msgspec.json.Decoder(FleetImage).decode
_decode_lists: Final = msgspec.msgpack.Decoder(tuple[list[int], list[int], list[int]]).decode
