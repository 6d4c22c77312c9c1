"""Brings a database to this version's tables: one of an older imgscan, or an empty one.

Alembic does it, in one transaction under a lock, so that any number of processes may open a database at once. Where
nothing is to be done, one query finds that, and Alembic is not even loaded.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from imgscan.errors import InputError
from imgscan.store.database import lock

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from imgscan.store.database import Database

HEAD: Final = "0003"
"""The latest revision of `migrations/versions`."""
VERSION_TABLE: Final = "imgscan_alembic_version"
_OLD_TABLE: Final = "imgscan_versions"
_REVISION: Final = sa.table(VERSION_TABLE, sa.column("version_num"))


def migrate(database: Database, noun: str) -> None:
    """Make or change the tables. Raises InputError where a newer imgscan made them."""
    if database.read(_revision) != HEAD:
        database.write(lambda connection: _upgrade(connection, noun))


def _revision(connection: Connection) -> str | None:
    """The revision of the tables, None if Alembic has not made any yet."""
    if not _has_table(connection, VERSION_TABLE):
        return None
    found: str | None = connection.scalar(sa.select(_REVISION.c.version_num))
    return found


def _has_table(connection: Connection, name: str) -> bool:
    if connection.dialect.name == "postgresql":
        return connection.scalar(sa.select(sa.func.to_regclass(name))) is not None
    query = sa.text("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name")
    return connection.scalar(query, {"name": name}) is not None


def _upgrade(connection: Connection, noun: str) -> None:
    lock(connection, "")
    revision = _revision(connection)
    if revision is None and _has_table(connection, _OLD_TABLE):
        # Made before there was Alembic: it has all that the revision of that number makes.
        version = connection.scalar(sa.text(f"SELECT max(version) FROM {_OLD_TABLE}")) or 1  # noqa: S608 - a constant
        revision = f"{version:04}"
        _refuse_newer(revision, noun)
        _run(connection, stamp=revision)
    if revision is not None:
        _refuse_newer(revision, noun)
    if revision != HEAD:
        _run(connection)


def _refuse_newer(revision: str, noun: str) -> None:
    if not re.fullmatch(r"\d{4}", revision) or revision > HEAD:
        raise InputError(
            f"{noun} is of version {revision.lstrip('0')}, this imgscan knows {HEAD.lstrip('0')}",
            next_step="use a newer imgscan",
        )


def _run(connection: Connection, *, stamp: str | None = None) -> None:
    """Run what is missing; with `stamp` only note that the revision is there."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(Path(__file__).parent / "migrations")

    def steps(revision: Any, context: Any) -> Any:  # noqa: ANN401 - Alembic's own
        if stamp is not None:
            return scripts._stamp_revs(stamp, revision)
        return scripts._upgrade_revs(HEAD, revision)

    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE)
        environment.run_migrations()
