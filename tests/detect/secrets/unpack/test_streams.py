"""Compressed streams inside files of other formats: Erlang's modules, PDF, dumps of PostgreSQL, SquashFS and others."""

from __future__ import annotations

import gzip
import io
import os
import random
import subprocess
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from archivemaker import HOLDERS, beam, dump, pdf
from hypothesis import given
from hypothesis import strategies as st
from postgres import PASSWORD, postgres_server
from secretmaker import token_of

from imgscan.detect.secrets.scanner import SecretHit, SecretScanner
from imgscan.detect.secrets.unpack.bounds import Budget
from imgscan.detect.secrets.unpack.magic import recognise
from imgscan.detect.secrets.unpack.search import search_opened
from imgscan.detect.secrets.unpack.source import Source
from imgscan.detect.secrets.unpack.streams import _Pieces

TOKENS = [token_of(f"stream {number}").encode() for number in range(3)]
Hold = Callable[[Sequence[bytes]], bytes]


def searched(scanner: SecretScanner, data: bytes) -> tuple[list[SecretHit], list[str]]:
    """The hits and notes, the same from memory and in pieces of random sizes."""
    found = []
    chance = random.Random(len(data))
    for most in (len(data), 5000):
        stream, notes = io.BytesIO(data), list[str]()
        hits = scanner.scan(
            lambda n, stream=stream, most=most: stream.read(min(n, chance.randint(1, most))),  # type: ignore[misc]
            path="app/x",
            size=len(data),
            note=notes.append,
        )
        assert not stream.read()
        found.append((hits, notes))
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize("around", [b"", b"some words\n" * 9_000], ids=["short", "long"])
@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
def test_a_token_in_every_stream(scanner: SecretScanner, hold: Hold, around: bytes) -> None:
    data = hold([around + b"token " + token + b"\n" + around for token in TOKENS])
    for whole in (data, gzip.compress(data)):
        hits, notes = searched(scanner, whole)
        assert [hit.secret for hit in hits] == TOKENS
        assert all("stream at " in hit.inside for hit in hits)
        assert notes == []


def test_a_stream_is_named_by_where_it_begins(scanner: SecretScanner) -> None:
    data = pdf([b"x", TOKENS[0]])
    (hit,), _ = searched(scanner, data)
    at = int(hit.inside.removeprefix("stream at "))
    assert TOKENS[0] in zlib.decompressobj().decompress(data[at:])


@pytest.mark.parametrize("hold", [pdf, dump], ids=["pdf", "dump"])
def test_what_looks_like_a_stream_hides_none(scanner: SecretScanner, hold: Hold) -> None:
    chance = random.Random(7)
    noise = b"".join(b"\0\x10\0\0\0x\x9c" + chance.randbytes(chance.randint(0, 90)) for _ in range(3_000))
    data = hold([])
    data = data + noise + hold([TOKENS[0]])[len(data) - 30 :] + noise
    hits, notes = searched(scanner, data)
    assert ([hit.secret for hit in hits], notes) == ([TOKENS[0]], [])


@pytest.mark.parametrize("at", [61_440, 65_536, 122_880, 262_144])
@pytest.mark.parametrize("hold", [pdf, dump], ids=["pdf", "dump"])
def test_a_stream_at_any_place(scanner: SecretScanner, hold: Hold, at: int) -> None:
    data = hold([TOKENS[0]])
    head, stream = len(b"%PDF-1.7\n"), data.index(b"x\x9c")
    for shift in range(-3, 9):
        padded = data[:head] + bytes(at + shift - stream) + data[head:]
        (hit,), notes = searched(scanner, padded)
        assert (hit.secret, hit.inside, notes) == (TOKENS[0], f"stream at {at + shift}", [])


def test_beginnings_without_end_are_bounded(scanner: SecretScanner) -> None:
    data = b"%PDF-1.7\n" + b"x\x9c\xff" * 200_000 + pdf([TOKENS[0]])
    hits, notes = searched(scanner, data)
    assert hits == []
    assert notes == ["more than 100000 places look like compressed data and are none; no more is opened"]


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
def test_a_stream_that_is_cut_off_is_told(scanner: SecretScanner, hold: Hold) -> None:
    text = random.Random(3).randbytes(200_000).hex().encode()
    data = hold([TOKENS[0] + b"\n" + text])
    hits, notes = searched(scanner, data[: len(data) * 3 // 4])
    assert [hit.secret for hit in hits] == [TOKENS[0]]
    assert [note.partition(" (")[0] for note in notes] == ["the compressed data ends too early"]


def test_what_is_plain_is_found_as_it_lies(scanner: SecretScanner) -> None:
    for data in (pdf([]), dump([]), beam([])):
        hits, notes = searched(scanner, data + b"\ntoken " + TOKENS[0] + b"\n")
        assert [(hit.secret, hit.inside) for hit in hits] == [(TOKENS[0], "")]
        assert notes == []


def test_a_bomb_is_bounded(scanner: SecretScanner) -> None:
    data = pdf([bytes(40 << 20)] * 3)
    notes: list[str] = []
    container = recognise(data)
    assert container is not None
    search_opened(
        scanner, container, io.BytesIO(data).read, path="x", size=None, note=notes.append, budget=Budget(8 << 20)
    )
    assert notes == ["what the archive unpacks to was searched up to 8.39 MB only"]


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.binary(max_size=20), st.integers(1, 400))
def test_pieces_are_joined_and_end_where_they_say(parts: list[bytes], rest: bytes, at_once: int) -> None:
    data = b"".join(b"\0" + len(part).to_bytes(4, "little") + part for part in parts) + bytes(5) + rest
    source = Source(io.BytesIO(data).read)
    pieces = _Pieces(source)
    assert b"".join(iter(lambda: pieces.read(at_once), b"")) == b"".join(parts)
    assert source.read(99) == bytes(5) + rest


@pytest.mark.tools
@pytest.mark.parametrize("level", ["1", "9"])
def test_what_a_real_postgresql_dumps(scanner: SecretScanner, tmp_path: Path, level: str) -> None:
    chance = random.Random(5)
    rows = [chance.randbytes(20).hex() for _ in range(3_000)]
    rows[2_000] += f" {TOKENS[0].decode()}"
    statements = f"CREATE TABLE t (v text);\nCOPY t FROM stdin;\n{chr(10).join(rows)}\n\\.\n"
    with postgres_server() as server:
        programs, environment = server.programs, {**os.environ, "PGPASSWORD": PASSWORD}
        subprocess.run(
            [programs / "psql", "-q", server.url], input=statements.encode(), env=environment, check=True, timeout=60
        )
        subprocess.run(
            [programs / "pg_dump", "-Fc", "-Z", level, "-f", tmp_path / "out", server.url],
            env=environment,
            check=True,
            timeout=60,
        )
    hits, notes = searched(scanner, (tmp_path / "out").read_bytes())
    assert [(hit.secret, hit.line) for hit in hits] == [(TOKENS[0], 2_001)]
    assert notes == []
