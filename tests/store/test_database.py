"""Transactions: a file that is in use, processes that were forked, what may be tried again."""

from __future__ import annotations

import contextlib
import multiprocessing
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from store.fleets import diff_id, sealed

from imgscan.errors import InputError
from imgscan.source.backoff import Effects
from imgscan.store.database import PATIENT_TRIES, Database
from imgscan.store.fleetstore import FleetStore, open_fleet_store

MAKE = sa.text("CREATE TABLE IF NOT EXISTS things (name TEXT)")
ADD = sa.text("INSERT INTO things VALUES ('one')")
COUNT = sa.text("SELECT count(*) FROM things")


@contextlib.contextmanager
def held(path: Path) -> Iterator[sqlite3.Connection]:
    """A file that somebody else is writing to."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


@contextlib.contextmanager
def opened(path: Path, effects: Effects) -> Iterator[Database]:
    database = Database(str(path), noun="the file", effects=effects, busy_s=0.01)
    with contextlib.closing(database):
        database.write(lambda connection: connection.execute(MAKE))
        yield database


def test_a_file_that_is_in_use_is_waited_for_beyond_what_sqlite_waits(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        waited: list[float] = []

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 4:
                other.execute("COMMIT")

        database = stack.enter_context(opened(tmp_path / "f", Effects(sleep=sleep)))
        other = stack.enter_context(held(tmp_path / "f"))
        database.write(lambda connection: connection.execute(ADD))
        assert len(waited) == 4
        assert database.read(lambda connection: connection.scalar(COUNT)) == 1


def test_a_file_that_stays_in_use_is_an_error(tmp_path: Path) -> None:
    waited: list[float] = []
    with opened(tmp_path / "f", Effects(sleep=waited.append)) as database, held(tmp_path / "f"):
        with pytest.raises(InputError, match="the file cannot be used") as raised:
            database.write(lambda connection: connection.execute(ADD))
        assert raised.value.cause == "database is locked"
        assert len(waited) == PATIENT_TRIES - 1


def test_reading_waits_for_no_writer(tmp_path: Path) -> None:
    waited: list[float] = []
    with opened(tmp_path / "f", Effects(sleep=waited.append)) as database, held(tmp_path / "f") as other:
        other.execute("INSERT INTO things VALUES ('theirs')")
        assert database.read(lambda connection: connection.scalar(COUNT)) == 0
        other.execute("COMMIT")
        assert database.read(lambda connection: connection.scalar(COUNT)) == 1
    assert waited == []


def test_what_fails_halfway_is_not_done(url: str) -> None:
    with contextlib.closing(Database(url, noun="the file")) as database:
        database.write(lambda connection: connection.execute(MAKE))

        def fail(connection: sa.Connection) -> None:
            connection.execute(ADD)
            raise LookupError

        with pytest.raises(LookupError):
            database.write(fail)
        assert database.read(lambda connection: connection.scalar(COUNT)) == 0


def _put(store: FleetStore, number: int) -> None:
    for at in range(number, number + 20):
        assert store.put_layer(sealed(at))
    assert store.layer(diff_id(0)) is not None


def test_forked_processes_have_connections_of_their_own(url: str) -> None:
    context = multiprocessing.get_context("fork")
    with open_fleet_store(url, rules="1") as store:
        store.put_layer(sealed(0))
        workers = [context.Process(target=_put, args=(store, 100 * number)) for number in (1, 2)]
        for worker in workers:
            worker.start()
        _put(store, 300)
        for worker in workers:
            worker.join(60)
        assert [worker.exitcode for worker in workers] == [0, 0]
        _put(store, 400)
        wanted = [diff_id(first + number) for first in (100, 200, 300, 400) for number in range(20)]
        assert store.known_layers(wanted) == set(wanted)
