"""Databases of every age become this version's: empty ones, those from before Alembic, in any number of processes."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from fakes import report

import imgscan.store
from imgscan.errors import InputError
from imgscan.store.fleetstore import open_fleet_store
from imgscan.store.history import open_history
from imgscan.store.historytables import METADATA
from imgscan.store.migrate import HEAD, VERSION_TABLE

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

AT = "2026-05-04T03:02:01+00:00"
VERSION_1 = (
    """CREATE TABLE imgscan_findings (target TEXT NOT NULL, fingerprint TEXT NOT NULL, rule_id TEXT NOT NULL,
        severity TEXT NOT NULL, message TEXT NOT NULL, first_run INTEGER NOT NULL, last_run INTEGER NOT NULL,
        gone_run INTEGER, PRIMARY KEY (target, fingerprint))""",
    """CREATE TABLE imgscan_runs (id {number} NOT NULL, target TEXT NOT NULL, recorded_at TEXT NOT NULL,
        verdict TEXT NOT NULL, complete BOOLEAN NOT NULL, version TEXT NOT NULL, image_id TEXT, label TEXT,
        PRIMARY KEY (id))""",
    "CREATE INDEX ix_imgscan_runs_target ON imgscan_runs (target)",
    "CREATE TABLE imgscan_versions (version {number} NOT NULL, PRIMARY KEY (version))",
    """CREATE TABLE imgscan_figures (run INTEGER NOT NULL, key TEXT NOT NULL, value FLOAT NOT NULL,
        PRIMARY KEY (run, key), FOREIGN KEY(run) REFERENCES imgscan_runs (id))""",
    "INSERT INTO imgscan_versions (version) VALUES (1)",
    f"""INSERT INTO imgscan_runs (target, recorded_at, verdict, complete, version, label)
        VALUES ('shop', '{AT}', 'NO-GO', true, '0.1', 'kept')""",
    "INSERT INTO imgscan_figures (run, key, value) VALUES (1, 'size-bytes', 12.5)",
    """INSERT INTO imgscan_findings (target, fingerprint, rule_id, severity, message, first_run, last_run)
        VALUES ('shop', 'aaaa', 'secret-x', 'high', 'it is there', 1, 1)""",
)
"""What the versions before Alembic said to make their tables, and a run in them."""


@contextlib.contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def execute(url: str, *statements: str) -> None:
    number = "SERIAL" if url.startswith("postgres") else "INTEGER"
    with connected(url) as connection:
        for statement in statements:
            connection.execute(sa.text(statement.replace("{number}", number)))


def tables(url: str) -> set[str]:
    with connected(url) as connection:
        return set(sa.inspect(connection).get_table_names())


def differences(url: str) -> list[object]:
    with connected(url) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return list(compare_metadata(context, METADATA))


def test_the_latest_revision_is_the_one_that_is_looked_for() -> None:
    scripts = ScriptDirectory(Path(imgscan.store.__file__).parent / "migrations")
    assert scripts.get_current_head() == HEAD


def test_an_empty_database_gets_the_tables_that_the_code_uses(url: str) -> None:
    with open_history(url):
        pass
    assert differences(url) == []
    assert all(name.startswith("imgscan_") for name in tables(url) - {"sqlite_sequence"})


def test_a_database_from_before_alembic_is_taken_over_with_all_that_is_in_it(url: str) -> None:
    execute(url, *VERSION_1)
    with open_history(url) as opened:
        assert opened.targets() == [("shop", 1, AT)]
        (run,) = opened.runs("shop", 5)
        assert (run.label, run.figures) == ("kept", {"size-bytes": 12.5})
        (gone,) = opened.record(report(findings=(), complete=True), "shop", AT).gone
        assert gone.message == "it is there"
    assert differences(url) == []


def test_an_older_version_is_told_that_it_is_older(url: str) -> None:
    with open_history(url), connected(url) as connection:
        assert connection.scalar(sa.text("SELECT max(version) FROM imgscan_versions")) == int(HEAD)


def test_what_others_keep_beside_it_is_left_alone(url: str) -> None:
    execute(url, "CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('theirs')")
    with open_fleet_store(url, rules="1"):
        pass
    with connected(url) as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "theirs"


NEWER = [
    pytest.param(
        f"UPDATE {VERSION_TABLE} SET version_num = '0004'", "is of version 4, this imgscan knows 3", id="next"
    ),
    pytest.param(f"UPDATE {VERSION_TABLE} SET version_num = '0100'", "is of version 100", id="far"),
    pytest.param(f"UPDATE {VERSION_TABLE} SET version_num = 'ae1027a6acf'", "is of version ae1027a6acf", id="name"),
]


@pytest.mark.parametrize(("change", "told"), NEWER)
def test_a_newer_database_is_left_alone(url: str, change: str, told: str) -> None:
    with open_history(url):
        pass
    execute(url, change)
    with pytest.raises(InputError, match=told) as raised, open_history(url):
        pass
    assert raised.value.next_step == "use a newer imgscan"


def test_a_newer_database_without_alembic_is_left_alone(url: str) -> None:
    execute(url, *VERSION_1, "INSERT INTO imgscan_versions (version) VALUES (7)")
    with pytest.raises(InputError, match="is of version 7"), open_history(url):
        pass
    assert VERSION_TABLE not in tables(url)


def test_a_change_that_fails_halfway_leaves_nothing_behind(url: str) -> None:
    execute(url, *VERSION_1, "CREATE TABLE imgscan_fleet_changes (theirs TEXT)")
    before = tables(url)
    with pytest.raises(InputError, match="cannot be used"), open_history(url):
        pass
    assert tables(url) == before
    execute(url, "DROP TABLE imgscan_fleet_changes")
    with open_history(url) as opened:
        assert opened.targets() == [("shop", 1, AT)]


def _open(url: str, gate: str) -> None:
    while not Path(gate).exists():
        time.sleep(0.001)
    with open_fleet_store(url, rules="1") as store:
        Path(f"{gate}.{multiprocessing.current_process().name}").write_bytes(store.seal_key())


@pytest.mark.parametrize("made_before", [False, True], ids=["empty", "version-1"])
def test_many_processes_open_it_at_once(url: str, made_before: bool, tmp_path: Path) -> None:
    if made_before:
        execute(url, *VERSION_1)
    context = multiprocessing.get_context("spawn")
    gate = tmp_path / "gate"
    workers = [context.Process(target=_open, args=(url, str(gate)), name=f"{at}") for at in range(4)]
    for worker in workers:
        worker.start()
    gate.touch()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert len({path.read_bytes() for path in tmp_path.glob("gate.*")}) == 1
    assert differences(url) == []


def _modules_after(code: str) -> set[str]:
    program = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    told = subprocess.run(program, check=True, capture_output=True, text=True, timeout=60).stdout
    return {name.partition(".")[0] for name in told.split()}


def test_what_is_not_needed_is_not_loaded(tmp_path: Path) -> None:
    assert not _modules_after("import imgscan.cli.main, imgscan.cli.history") & {"sqlalchemy", "alembic"}
    code = f"from imgscan.store.history import open_history\nwith open_history({str(tmp_path / 'h')!r}): pass"
    assert "alembic" in _modules_after(code)
    assert "alembic" not in _modules_after(code)


def test_nobody_is_told_what_alembic_does(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with open_history(str(tmp_path / "h")):
        pass
    assert (root.handlers, root.level) == (handlers, level)
    assert capfd.readouterr() == ("", "")
