"""Several runs at once, processes that are killed, a server that is killed: what was done is done as a whole, and the
run after says what it would have said anyway."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from postgres import PASSWORD, Server, emptied
from store.fleets import at, diff_id, found, image, letters, sealed, told

from imgscan.errors import EngineError
from imgscan.fleets import Change, FleetFigures, FleetFinding
from imgscan.source.backoff import Effects
from imgscan.store.database import PATIENT_TRIES
from imgscan.store.fleetstore import FleetStore, open_fleet_store

NAMES = [f"app-{number}" for number in range(12)]
SPAWN = multiprocessing.get_context("spawn")


def a_run(store: FleetStore, day: int, names: list[str], findings: str, done: Path | None = None) -> int:
    """A run that keeps a layer and a report for each image; what the store has acknowledged is noted in a file."""
    run = store.begin_run(at(day), version="1", sources=["here"])
    with done.open("a") if done else contextlib.nullcontext() as notes:
        for name in names:
            number = NAMES.index(name)
            store.put_layer(sealed(number, blocks=4, size_bytes=20_000))
            store.put_image(name, name.encode() * 1000, [diff_id(number)])
            if notes is not None:
                notes.write(f"{number}\n")
                notes.flush()
            store.record_image(run, image(name), found(findings))
    store.finish_run(run, at(day), FleetFigures(images=len(names)), True)
    return run


def all_of(store: FleetStore, run: int) -> list[FleetFinding]:
    return sorted(store.run_findings(run), key=lambda one: (one.image, one.fingerprint))


def check_results(store: FleetStore) -> set[int]:
    """The numbers of the layers that are kept; all of them are whole."""
    numbers = {number for number in range(len(NAMES)) if diff_id(number) in store.known_layers([diff_id(number)])}
    for number in numbers:
        got = store.layer(diff_id(number))
        assert got is not None
        expected = sealed(number, blocks=4, size_bytes=20_000)
        assert got[0] == expected.summary
        assert tuple(got[1].read(at) for at in range(4)) == expected.blocks
    for name in store.known_images(NAMES):
        assert store.image(name) == name.encode() * 1000
    return numbers


def open_rows(url: str) -> list[sa.Row[Any]]:
    """Open findings that are there more than once."""
    query = """SELECT n.name, f.fingerprint, count(*) FROM imgscan_fleet_findings f
        JOIN imgscan_fleet_names n ON n.id = f.image WHERE f.fixed_at IS NULL
        GROUP BY n.name, f.fingerprint HAVING count(*) > 1"""
    return ask(url, query)


def ask(url: str, query: str) -> list[sa.Row[Any]]:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        rows = list(connection.execute(sa.text(query)).all())
    engine.dispose()
    return rows


def _runs(url: str, which: int, findings: str) -> None:
    """Several runs, each with the names in another order."""
    shuffled = list(NAMES)
    for day in range(4):
        random.Random(which * 10 + day).shuffle(shuffled)
        with open_fleet_store(url, rules="1") as store:
            a_run(store, day, shuffled, findings)
            if which == 0:
                store.prune(runs=1, days=0)


@pytest.mark.parametrize(
    "seen", [("abc", "abc", "abc"), ("ab", "bc", "cd")], ids=["all-see-the-same", "each-sees-something-else"]
)
def test_runs_at_once_lose_nothing_and_never_wait_for_each_other_in_a_circle(
    url: str, seen: tuple[str, str, str]
) -> None:
    workers = [SPAWN.Process(target=_runs, args=(url, which, findings)) for which, findings in enumerate(seen)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(180)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert open_rows(url) == []
    with open_fleet_store(url, rules="1") as store:
        assert check_results(store) == set(range(len(NAMES)))
        run = a_run(store, 5, NAMES, "abcd")
        for name in NAMES:
            own = [one for one in store.run_findings(run) if one.image == name]
            assert letters(one for one in own if one.change is not Change.FIXED) == "abcd"
            if len(set(seen)) == 1:
                assert letters(one for one in own if one.change is Change.NEW) == "d"
    if url.startswith("postgres"):
        assert ask(url, "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'")[0][0] == 0


def test_a_run_that_was_killed_again_and_again_ends_as_one_that_was_not(url: str, tmp_path: Path) -> None:
    undisturbed = str(tmp_path / "undisturbed")
    with open_fleet_store(undisturbed, rules="1") as store:
        a_run(store, 0, NAMES, "ab")
        expected = all_of(store, a_run(store, 1, NAMES, "bc"))
    with open_fleet_store(url, rules="1") as store:
        a_run(store, 0, NAMES, "ab")
    done = tmp_path / "done"
    done.touch()
    for attempt in range(6):
        ready = tmp_path / f"ready-{attempt}"
        worker = SPAWN.Process(target=_half_killed, args=(url, str(done), str(ready)))
        worker.start()
        wait_for(ready.exists)
        time.sleep(0.005 * (attempt + 1) ** 2)
        worker.kill()
        worker.join(60)
        assert worker.exitcode == -9
        with open_fleet_store(url, rules="1") as store:
            assert check_results(store) >= {int(number) for number in done.read_text().split()}
    with open_fleet_store(url, rules="1") as store:
        assert all_of(store, a_run(store, 1, NAMES, "bc")) == expected
        assert [run.finished_at is None for run in store.last_runs(99)] == [False, *[True] * 6, False]
    assert open_rows(url) == []


def _half_killed(url: str, done: str, ready: str) -> None:
    """A run that never ends of itself."""
    with open_fleet_store(url, rules="1") as store:
        run = store.begin_run(at(1), version="1", sources=["here"])
        Path(ready).touch()
        for turn in itertools.count():
            name = NAMES[turn % len(NAMES)]
            number = NAMES.index(name)
            store.put_layer(sealed(number, blocks=4, size_bytes=20_000))
            store.put_image(name, name.encode() * 1000, [diff_id(number)])
            with Path(done).open("a") as notes:
                notes.write(f"{number}\n")
            store.record_image(run, image(name), found("bc"))


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.002)


# ---- a server that is killed ----


@pytest.fixture
def server(postgres: Server) -> Iterator[Server]:
    emptied(postgres.url)
    yield postgres
    postgres.stop()
    postgres.start()


def reviving(server: Server) -> Effects:
    """Whoever waits finds the server started again."""
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        if not waited:
            server.start()
        waited.append(seconds)
        time.sleep(seconds)

    return Effects(sleep=sleep)


def steps(store: FleetStore) -> dict[str, Callable[[], object]]:
    run = store.begin_run(at(0), version="1", sources=["here"])
    store.put_layer(sealed(0))
    store.record_image(run, image(), found("ab"))
    got = store.layer(diff_id(0))
    assert got is not None
    return {
        "layer": lambda: store.put_layer(sealed(1)) and store.layer(diff_id(1)) is not None,
        "block": lambda: got[1].read(2) == sealed(0).blocks[2],
        "image": lambda: told(store.record_image(run, image(), found("bc"))) == ("bc", "", ""),
        "begun": lambda: store.begin_run(at(1), version="1", sources=["here"]) > run,
        "ended": lambda: store.finish_run(run, at(0), FleetFigures(), True) == (),
        "told": lambda: letters(store.run_findings(run)) == "ab",
    }


@pytest.mark.tools
@pytest.mark.parametrize("step", ["layer", "block", "image", "begun", "ended", "told"])
def test_a_server_that_comes_back_is_waited_for(step: str, server: Server) -> None:
    with open_fleet_store(server.url, rules="1", effects=reviving(server)) as store:
        do = steps(store)[step]
        server.kill()
        assert do()
        assert len(store.last_runs(9)) == (2 if step == "begun" else 1)


@pytest.mark.tools
def test_a_server_that_stays_away_is_an_error_and_nothing_is_half_done(server: Server) -> None:
    waited: list[float] = []
    said: list[str] = []
    with open_fleet_store(
        server.url, rules="1", effects=Effects(sleep=waited.append, say=said.append, jitter=lambda: 1.0)
    ) as store:
        do = steps(store)["image"]
        server.kill()
        with pytest.raises(EngineError, match="the fleet's store cannot be reached") as raised:
            do()
        assert len(waited) == PATIENT_TRIES - 1
        assert sum(waited) > 60
        assert raised.value.next_step == "check --store"
        assert PASSWORD not in f"{raised.value!r} {raised.value.__dict__} {said}"
        assert all(line.startswith("the fleet's store does not answer: ") for line in said)
        server.start()
        (run,) = store.last_runs(9)
        assert letters(store.run_findings(run.id)) == "ab"
        assert do()


def _until_done(url: str, progress: str) -> None:
    with open_fleet_store(url, rules="1") as store:
        for day in range(1, 25):
            a_run(store, day, NAMES, "bc" if day % 2 else "cd", Path(progress))


@pytest.mark.tools
def test_a_server_that_is_killed_under_a_run_costs_time_and_nothing_else(server: Server, tmp_path: Path) -> None:
    undisturbed = str(tmp_path / "undisturbed")
    _until_done(undisturbed, str(tmp_path / "ignored"))
    progress = tmp_path / "progress"
    progress.touch()
    worker = SPAWN.Process(target=_until_done, args=(server.url, str(progress)))
    worker.start()
    for times in range(1, 4):
        wait_for(lambda times=times: progress.read_text().count("\n") > 60 * times)  # type: ignore[misc]
        server.kill()
        time.sleep(0.2)
        server.start()
    worker.join(120)
    assert worker.exitcode == 0
    with open_fleet_store(server.url, rules="1") as store, open_fleet_store(undisturbed, rules="1") as other:
        runs, others = store.last_runs(99), other.last_runs(99)
        assert [(run.started_at, run.gone) for run in runs if run.finished_at] == [
            (run.started_at, run.gone) for run in others
        ]
        for run, same in zip((run for run in runs if run.finished_at), others, strict=True):
            assert all_of(store, run.id) == all_of(other, same.id)
        assert check_results(store) == set(range(len(NAMES)))
