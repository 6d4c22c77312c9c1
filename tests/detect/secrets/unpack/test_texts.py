"""Texts with no border to what comes next: rows of SQLite files, constants of Python's bytecode."""

from __future__ import annotations

import importlib.util
import io
import marshal
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secretmaker import token_of

from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.detect.secrets.unpack.source import Source
from imgscan.detect.secrets.unpack.texts import SQLITE_MARK, _bytecode_texts, _database_texts

TOKENS = [token_of(f"text {number}") for number in range(40)]


def bytecode(source: str, header: int = 16) -> bytes:
    code = compile(source, "a.py", "exec")
    return importlib.util.MAGIC_NUMBER + bytes(header - 4) + marshal.dumps(code)


def database(folder: Path, *, page_size: int = 4096, rows: int = 40, wide: int = 0) -> bytes:
    """A table and an index on it; each token has letters of other fields on either side."""
    path = folder / "a.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute("CREATE TABLE logins (name TEXT, token TEXT, host TEXT, age INTEGER, half REAL)")
        for number in range(rows):
            values = ("name" + "x" * wide, TOKENS[number % len(TOKENS)], "host", number * 1000, 0.5)
            connection.execute("INSERT INTO logins VALUES (?, ?, ?, ?, ?)", values)
    connection.close()
    return path.read_bytes()


def found(scanner: SecretScanner, data: bytes, path: str) -> set[str]:
    return {hit.secret.decode() for hit in scanner.scan_bytes(data, path=path)}


@pytest.mark.parametrize("header", [8, 12, 16])
@pytest.mark.parametrize(
    "source",
    [
        f"A = '{TOKENS[0]}'",
        f"A, B = '{TOKENS[0]}', 'name'",
        f"def f(key='{TOKENS[0]}'):\n    return key",
        f"A = b'{TOKENS[0]}'",
        f"A = '{'words ' * 60}{TOKENS[0]}'",
        f"A = 'é{'words ' * 60} {TOKENS[0]} '",
        f"class C:\n    token = '{TOKENS[0]}'\n    def m(self): return 'x' * 9",
    ],
)
def test_bytecode(source: str, header: int, scanner: SecretScanner) -> None:
    assert found(scanner, bytecode(source, header), "a.pyc") == {TOKENS[0]}


def test_bytecode_of_many_constants(scanner: SecretScanner) -> None:
    source = (
        "\n".join(f"N{number} = '{token}'" for number, token in enumerate(TOKENS)) + "\nX = '" + "y" * 2_000_000 + "'"
    )
    assert found(scanner, bytecode(source), "a.pyc") == set(TOKENS)


@pytest.mark.parametrize("page_size", [512, 1024, 4096, 65536])
@pytest.mark.parametrize("rows", [1, 40])
def test_rows(page_size: int, rows: int, scanner: SecretScanner, tmp_path: Path) -> None:
    data = database(tmp_path, page_size=page_size, rows=rows)
    assert found(scanner, data, "a.db") == set(TOKENS[:rows])


def test_a_database_larger_than_a_window(scanner: SecretScanner, tmp_path: Path) -> None:
    data = database(tmp_path, rows=2000, wide=1500)
    assert len(data) > 3 << 20
    assert found(scanner, data, "a.db") == set(TOKENS)


def cut(data: bytearray, source: random.Random) -> bytes:
    return bytes(data[: source.randrange(len(data))])


def flip(data: bytearray, source: random.Random) -> bytes:
    for _ in range(200):
        data[source.randrange(100, len(data))] = source.randrange(256)
    return bytes(data)


def repeat(data: bytearray, source: random.Random) -> bytes:
    at = source.randrange(len(data))
    return bytes(data[:at] + data[: source.randrange(len(data))] * 2 + data[at:])


@pytest.mark.parametrize("damage", [cut, flip, repeat], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("seed", range(15))
def test_damaged(
    damage: Callable[[bytearray, random.Random], bytes], seed: int, scanner: SecretScanner, tmp_path: Path
) -> None:
    """Nothing is raised; a token that is whole is found, one that is not is none."""
    source = "\n".join(f"N{number} = '{token}'" for number, token in enumerate(TOKENS))
    for data in (database(tmp_path), bytecode(source)):
        damaged = damage(bytearray(data), random.Random(seed))
        whole = {token for token in TOKENS if token.encode() in damaged}
        github = {secret for secret in found(scanner, damaged, "a.db") if secret.startswith("gh" + "p_")}
        assert github & set(TOKENS) <= whole


@given(st.binary(max_size=3000))
def test_any_bytes(rest: bytes) -> None:
    for page in (b"\x02\x00", b"\x00\x01", b"\x10\x00"):
        data = SQLITE_MARK + page + rest
        assert all(isinstance(text, bytes) for text in _database_texts(Source(io.BytesIO(data).read), lambda _: True))
    assert all(isinstance(text, bytes) for text in _bytecode_texts(Source(io.BytesIO(rest).read), lambda _: True))
