"""What is found in the images of a fleet, over time: one look at an image, and what is known of it -> what is new, what
stands, what is fixed.

A finding is told by a run that is finished, and by no other: what a run found that was killed is new to the next one.
An image is looked at by one run at a time, whatever else goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa

from imgscan.fleets import Change, FleetFinding, FleetImage, Origin
from imgscan.model import Severity
from imgscan.store.database import lock, parts, plain_text
from imgscan.store.fleetrecords import FoundFinding, RecordedImage
from imgscan.store.fleetresults import insert, key_of, pack
from imgscan.store.fleettables import CHANGES, FINDINGS, LOOKS, NAMES, RUN_IMAGES, RUNS

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

_DETAILS: Final = ("rule_id", "severity", "message", "layer", "accepted")


@dataclass(slots=True)
class _Looked:
    """What a look does to the findings of an image, by row number."""

    new: list[int] = field(default_factory=list)
    standing: list[int] = field(default_factory=list)
    fixed: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    opened_again: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    ended_silently: list[int] = field(default_factory=list)
    changed: list[tuple[int, FoundFinding]] = field(default_factory=list)
    created: list[tuple[FoundFinding, str]] = field(default_factory=list)


def lock_name(name: str) -> str:
    """The lock of an image's name."""
    return f"fleet image\0{key_of(name)}"


def record_image(
    connection: Connection, run: int, at: str, image: FleetImage, findings: Iterable[FoundFinding]
) -> RecordedImage:
    """Record one look at an image by a run that began `at`; the same once more changes nothing."""
    lock(connection, lock_name(image.name))
    name, again = _name(connection, run, at, image)
    first = image.origin is not Origin.FAILED and not _was_looked_at(connection, run, name)
    looked = _look(_rows(connection, run, name), _by_fingerprint(findings), at, complete=image.complete)
    _write(connection, name, at, looked)
    _tell(connection, run, name, looked, again=again)
    if first:
        connection.execute(insert(connection, LOOKS).values(image=name, run=run).on_conflict_do_nothing())
    values = {
        "result": key_of(image.key) if image.key else "",
        "first": first,
        "record": pack(msgspec.json.encode(_plain(image))),
        "findings": pack(msgspec.msgpack.encode((looked.new, looked.standing, looked.fixed))),
    }
    new = insert(connection, RUN_IMAGES).values(run=run, image=name, **values)
    connection.execute(new.on_conflict_do_update(index_elements=["run", "image"], set_=values))
    return _recorded(connection, name, image, looked, first=first)


def _name(connection: Connection, run: int, at: str, image: FleetImage) -> tuple[int, bool]:
    """The row number of an image's name, and whether this run has recorded it before."""
    key = key_of(image.name)
    # Held against whoever removes names that were not seen for long.
    row = connection.execute(sa.select(NAMES).where(NAMES.c.key == key).with_for_update()).first()
    if row is None:
        values = {"key": key, "name": plain_text(image.name), "last_seen": at, "last_run": run, "gone_at": None}
        return connection.execute(sa.insert(NAMES).values(values).returning(NAMES.c.id)).scalar_one(), False
    values = {"last_seen": max(at, row.last_seen), "last_run": max(run, row.last_run), "gone_at": None}
    connection.execute(sa.update(NAMES).where(NAMES.c.id == row.id).values(values))
    before = sa.select(RUN_IMAGES.c.run).where(RUN_IMAGES.c.run == run, RUN_IMAGES.c.image == row.id)
    return row.id, connection.execute(before).first() is not None


def _was_looked_at(connection: Connection, run: int, name: int) -> bool:
    query = (
        sa.select(LOOKS.c.run)
        .join(RUNS, RUNS.c.id == LOOKS.c.run)
        .where(LOOKS.c.image == name, LOOKS.c.run != run, RUNS.c.finished_at.is_not(None))
    )
    return connection.execute(query).first() is not None


def _rows(connection: Connection, run: int, name: int) -> Sequence[Row[Any]]:
    """The findings of an image that are open, or whose end nobody was told of; with whether a run told that they are
    there."""

    def told(change: Change) -> sa.ColumnElement[bool]:
        return sa.exists(
            sa.select(CHANGES.c.run)
            .join(RUNS, RUNS.c.id == CHANGES.c.run)
            .where(
                CHANGES.c.finding == FINDINGS.c.id,
                CHANGES.c.change == change.value,
                CHANGES.c.run != run,
                RUNS.c.finished_at.is_not(None),
            )
        )

    pending = sa.and_(sa.not_(FINDINGS.c.silent), sa.not_(told(Change.FIXED)))
    query = (
        sa.select(FINDINGS, told(Change.NEW).label("told"))
        .where(FINDINGS.c.image == name, sa.or_(FINDINGS.c.fixed_at.is_(None), pending))
        .order_by(FINDINGS.c.id)
    )
    return connection.execute(query).all()


def _by_fingerprint(findings: Iterable[FoundFinding]) -> dict[str, FoundFinding]:
    """One of each fingerprint: the one that is not accepted, then the gravest."""
    found: dict[str, FoundFinding] = {}
    for one in findings:
        other = found.get(one.fingerprint)
        if other is None or (not one.accepted, one.severity.rank) > (not other.accepted, other.severity.rank):
            found[one.fingerprint] = replace(
                one,
                fingerprint=plain_text(one.fingerprint),
                rule_id=plain_text(one.rule_id),
                message=plain_text(one.message),
                layer=plain_text(one.layer),
            )
    return {one.fingerprint: one for one in found.values()}


def _look(rows: Sequence[Row[Any]], found: dict[str, FoundFinding], at: str, *, complete: bool) -> _Looked:
    looked = _Looked()
    is_open = {row.fingerprint: row for row in rows if row.fixed_at is None}
    pending = {row.fingerprint: row for row in rows if row.fixed_at is not None}
    for fingerprint, one in found.items():
        row = is_open.get(fingerprint)
        if row is None and fingerprint in pending:
            row = pending[fingerprint]
            looked.opened_again.append(row.id)
        if row is None:
            looked.created.append((one, at))
        elif row.accepted and row.told and not one.accepted:
            # What nobody answers for any more has to be dealt with: it is new, though it was seen long ago.
            looked.ended_silently.append(row.id)
            looked.created.append((one, row.first_seen))
        else:
            looked.seen.append(row.id)
            (looked.standing if row.told else looked.new).append(row.id)
            if any(getattr(row, name) != getattr(one, name) for name in _DETAILS):
                looked.changed.append((row.id, one))
    for row in is_open.values():
        if row.fingerprint in found:
            continue
        if not complete:
            (looked.standing if row.told else looked.new).append(row.id)
        elif row.told:
            looked.ended.append(row.id)
            looked.fixed.append(row.id)
        else:
            looked.ended_silently.append(row.id)
    looked.fixed += [row.id for row in pending.values() if row.fingerprint not in found]
    return looked


def _write(connection: Connection, name: int, at: str, looked: _Looked) -> None:
    """Bring the rows to what was looked at; the numbers of created ones join the new ones."""
    for ids, values in (
        (looked.ended, {"fixed_at": at}),
        (looked.ended_silently, {"fixed_at": at, "silent": True}),
        (looked.opened_again, {"fixed_at": None}),
    ):
        for part in parts(ids):
            connection.execute(sa.update(FINDINGS).where(FINDINGS.c.id.in_(part)).values(values))
    for part in parts(looked.opened_again):
        gone = sa.and_(CHANGES.c.finding.in_(part), CHANGES.c.change == Change.FIXED.value)
        connection.execute(sa.delete(CHANGES).where(gone))
    for part in parts(looked.seen):
        seen = sa.and_(FINDINGS.c.id.in_(part), FINDINGS.c.last_seen < at)
        connection.execute(sa.update(FINDINGS).where(seen).values(last_seen=at))
    for number, one in looked.changed:
        connection.execute(sa.update(FINDINGS).where(FINDINGS.c.id == number).values(_details(one)))
    if looked.created:
        rows = [
            {
                "image": name,
                "fingerprint": one.fingerprint,
                **_details(one),
                "first_seen": min(first_seen, at),
                "last_seen": at,
                "fixed_at": None,
                "silent": False,
            }
            for one, first_seen in looked.created
        ]
        looked.new += connection.scalars(sa.insert(FINDINGS).returning(FINDINGS.c.id), rows)


def _details(one: FoundFinding) -> dict[str, object]:
    return {name: getattr(one, name) for name in _DETAILS} | {"severity": one.severity.value}


def _tell(connection: Connection, run: int, name: int, looked: _Looked, *, again: bool) -> None:
    """Note what this run says is new and fixed, in place of what it said before."""
    if again:
        of_image = sa.select(FINDINGS.c.id).where(FINDINGS.c.image == name)
        connection.execute(sa.delete(CHANGES).where(CHANGES.c.run == run, CHANGES.c.finding.in_(of_image)))
    for change, numbers in ((Change.NEW, looked.new), (Change.FIXED, looked.fixed)):
        for part in parts(numbers):
            rows = sa.select(FINDINGS.c.id, sa.literal(run), sa.literal(change.value)).where(FINDINGS.c.id.in_(part))
            connection.execute(sa.insert(CHANGES).from_select(["finding", "run", "change"], rows))


def _plain(image: FleetImage) -> FleetImage:
    """The image with texts as they can be encoded."""
    values = {one.name: getattr(image, one.name) for one in fields(image)}
    texts: dict[str, Any] = {name: plain_text(value) for name, value in values.items() if type(value) is str}
    return replace(image, **texts, layers=tuple(plain_text(layer) for layer in image.layers))


def _recorded(connection: Connection, name: int, image: FleetImage, looked: _Looked, *, first: bool) -> RecordedImage:
    ids = set(looked.new) | set(looked.standing) | set(looked.fixed)
    query = sa.select(FINDINGS).where(FINDINGS.c.image == name)
    rows = {row.id: row for row in connection.execute(query) if row.id in ids}
    told = tell_findings(rows, (looked.new, looked.standing, looked.fixed), _plain(image), first=first)
    by_change = {change: tuple(one for one in told if one.change is change) for change in Change}
    return RecordedImage(
        first=first, new=by_change[Change.NEW], standing=by_change[Change.STANDING], fixed=by_change[Change.FIXED]
    )


def tell_findings(
    rows: dict[int, Row[Any]], lists: Sequence[Sequence[int]], image: FleetImage, *, first: bool
) -> list[FleetFinding]:
    """The findings of an image in a run, gravest first: from their rows, and the row numbers of those that are new,
    stand and are fixed. Rows that are no more are left out."""
    told = [
        FleetFinding(
            image=image.name,
            team=image.team,
            fingerprint=row.fingerprint,
            rule_id=row.rule_id,
            severity=Severity(row.severity),
            message=row.message,
            change=change,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            fixed_at=row.fixed_at if change is Change.FIXED else None,
            layer=row.layer,
            first_run=first and change is Change.NEW,
            accepted=bool(row.accepted),
        )
        for change, ids in zip((Change.NEW, Change.STANDING, Change.FIXED), lists, strict=True)
        for row in (rows[number] for number in ids if number in rows)
    ]
    return sorted(told, key=lambda one: (-one.severity.rank, one.rule_id, one.fingerprint))
