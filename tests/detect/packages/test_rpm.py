"""rpm's databases: every form gives its headers, and nothing hostile is more than a ValueError."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rpmdatabases import bdb_database, ndb_database, rpm_header, sqlite_database

from imgscan.detect.packages.rpm import RpmFile, files_of, read_headers

SHA = "ab" * 32
FILES = [("/usr/share/thing/", "a.txt", SHA), ("/etc/", "thing.conf", SHA[:-2] + "cd"), ("/usr/share/", "thing", "")]
HEADERS = [rpm_header(FILES), rpm_header([("/usr/bin/", f"tool{n}", SHA) for n in range(200)])]
FORMS: dict[str, Callable[[Sequence[bytes]], bytes]] = {
    "sqlite": sqlite_database,
    "ndb": ndb_database,
    "bdb": bdb_database,
    "bdb-big-endian": functools.partial(bdb_database, order=">"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_gives_its_headers(form: Callable[[Sequence[bytes]], bytes]) -> None:
    assert list(read_headers(form(HEADERS))) == HEADERS


def test_files_of_a_header() -> None:
    assert list(files_of(HEADERS[0])) == [
        RpmFile(b"usr/share/thing/a.txt", bytes.fromhex(SHA)),
        RpmFile(b"etc/thing.conf", bytes.fromhex(SHA[:-2] + "cd")),
        RpmFile(b"usr/share/thing", b""),
    ]


@pytest.mark.parametrize(
    ("digest", "algorithm", "length"),
    [
        pytest.param("ab" * 16, None, 16, id="md5-by-default"),
        pytest.param("ab" * 20, 2, 20, id="sha1"),
        pytest.param("ab" * 64, 10, 0, id="one-that-is-not-compared"),
        pytest.param("ab" * 16, 8, 0, id="too-short"),
    ],
)
def test_checksums_are_taken_for_what_they_are(digest: str, algorithm: int | None, length: int) -> None:
    (file,) = files_of(rpm_header([("/", "f", digest)], algorithm=algorithm))
    assert len(file.digest) == length


ENDLESS = (
    "CREATE VIEW Packages AS WITH RECURSIVE n(blob) AS (SELECT 1 UNION ALL SELECT blob + 1 FROM n) SELECT blob FROM n"
)
GENERATED = "CREATE TABLE Packages (hnum INTEGER, blob BLOB AS (zeroblob(900000000)))"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"no database at all" * 100, id="text"),
        pytest.param(sqlite_database([], schema="CREATE TABLE other (a)"), id="sqlite-without-packages"),
        pytest.param(sqlite_database([], schema=ENDLESS), id="sqlite-without-end"),
        pytest.param(sqlite_database(HEADERS)[:3000], id="sqlite-cut-off"),
        pytest.param(ndb_database(HEADERS)[:5000], id="ndb-cut-off"),
        pytest.param(bdb_database(HEADERS)[:1024], id="bdb-cut-off"),
    ],
)
def test_what_is_no_database(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of any text
        list(read_headers(data))


def test_a_value_that_is_made_up_as_it_is_read() -> None:
    with pytest.raises(ValueError, match="not readable"):
        list(read_headers(_with_row(sqlite_database([], schema=GENERATED))))


def _with_row(data: bytes) -> bytes:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(data[:18] + b"\1\1" + data[20:])
        connection.execute("INSERT INTO Packages (hnum) VALUES (1)")
        connection.commit()
        return connection.serialize()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(where=st.integers(0, 1 << 16), what=st.binary(min_size=1, max_size=4))
@example(where=12, what=b"\xff\xff\xff\xff")
def test_damage_is_a_value_error(form: Callable[[Sequence[bytes]], bytes], where: int, what: bytes) -> None:
    data = bytearray(form(HEADERS[:1]))
    where %= len(data)
    data[where : where + len(what)] = what
    try:
        for header in read_headers(bytes(data)):
            list(files_of(header))
    except ValueError:
        pass
