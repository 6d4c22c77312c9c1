"""Damaged and hostile archives: no exception, no end of the stream missed, bounded memory and time, all of it told."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from archivemaker import ARCHIVES, STREAMS, newc, tarred, zipped
from hypothesis import given, settings
from hypothesis import strategies as st
from secretmaker import token_of

from imgscan.detect.secrets.hits import SecretHit
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.detect.secrets.unpack.bounds import RATIO, RATIO_FREE_BYTES

TOKEN = token_of("hostile").encode()
FILES = {"a.txt": b"some text " * 30, "b": b"token " + TOKEN + b"\n", "c": b"\0" * 2000}
WHOLE = [make(FILES) for make in ARCHIVES.values()] + [pack(b"text " * 300 + TOKEN) for pack in STREAMS.values()]


def scanned(scanner: SecretScanner, data: bytes) -> tuple[list[SecretHit], list[str]]:
    notes: list[str] = []
    stream = io.BytesIO(data)
    hits = scanner.scan(stream.read, path="app/x", size=len(data), note=notes.append)
    assert stream.read() == b""
    assert len(notes) == len(set(notes))
    return hits, notes


@settings(max_examples=150, deadline=None)
@given(whole=st.sampled_from(WHOLE), cut=st.floats(0, 1))
def test_cut_off_anywhere(scanner: SecretScanner, whole: bytes, cut: float) -> None:
    scanned(scanner, whole[: int(len(whole) * cut)])


@settings(max_examples=300, deadline=None)
@given(
    whole=st.sampled_from(WHOLE),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=12)), min_size=1, max_size=4),
)
def test_changed_anywhere(scanner: SecretScanner, whole: bytes, changes: list[tuple[float, bytes]]) -> None:
    data = bytearray(whole)
    for where, piece in changes:
        at = int(len(data) * where)
        data[at : at + len(piece)] = piece
    scanned(scanner, bytes(data))


@settings(max_examples=150, deadline=None)
@given(head=st.sampled_from([data[:600] for data in WHOLE]), tail=st.binary(max_size=600))
def test_nonsense_behind_a_beginning(scanner: SecretScanner, head: bytes, tail: bytes) -> None:
    scanned(scanner, head + tail)


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """A gzip file of ten gigabytes of zeros, in ten megabytes; its checksum is not reached."""
    packer = zlib.compressobj(9, wbits=31)
    head = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + again * 10_239 + packer.flush()


@pytest.mark.parametrize("wrapped", ["plain", "zip", "zip-in-zip", "many"])
def test_bombs(scanner: SecretScanner, bomb: bytes, wrapped: str) -> None:
    data = {
        "plain": lambda: bomb,
        "zip": lambda: zipped({"a": b"token " + TOKEN, "b.gz": bomb}),
        "zip-in-zip": lambda: zipped({"a": b"token " + TOKEN, "b.zip": zipped({"b.gz": bomb})}),
        "many": lambda: zipped({"a": b"token " + TOKEN, **{f"{n}.gz": bomb for n in range(5)}}, zipfile.ZIP_STORED),
    }[wrapped]()
    began = time.process_time()
    hits, notes = scanned(scanner, data)
    assert time.process_time() - began < 20
    assert len(notes) == 1
    assert notes[0].startswith(f"the archive unpacks to more than {RATIO} times its size")
    assert [hit.inside for hit in hits] == ([] if wrapped == "plain" else ["a"])


def test_a_bomb_of_many_levels(scanner: SecretScanner) -> None:
    """As 42.zip: each archive holds sixteen copies of the one below."""
    data = zipped({"0": bytes(4 << 20)})
    for level in range(5):
        data = zipped({f"lib {level} {n}.zip": data for n in range(16)})
    began = time.process_time()
    _, notes = scanned(scanner, data)
    assert time.process_time() - began < 30
    assert len(notes) == 1


def test_text_that_repeats_itself_is_no_bomb(scanner: SecretScanner) -> None:
    line = b'127.0.0.1 - - [01/Jan/2024:00:00:%02d +0000] "GET /health HTTP/1.1" 200 2 "-" "probe/1.0"\n'
    text = b"".join(line % (number % 60) for number in range(2000)) * 420 + TOKEN
    assert len(text) > RATIO_FREE_BYTES
    hits, notes = scanned(scanner, gzip.compress(text, 6))
    assert ([hit.secret for hit in hits], notes) == ([TOKEN], [])


def test_empty_frames(scanner: SecretScanner) -> None:
    _, notes = scanned(scanner, gzip.compress(b"") * 40_000)
    assert notes == ["the compressed data is made of more than 10000 frames with nothing in them"]


def test_holes_are_counted(scanner: SecretScanner) -> None:
    from tarmaker import archive, base256, header, octal

    hole = header(
        b"sp", size=512, flag=b"S", form="gnu", fields={482: b"\0", 483: base256(20 << 30, 12), 386: octal(10 << 30, 12) + octal(512, 12)}
    ) + b"d" * 512  # fmt: skip
    data = zipped({f"{n}.tar": archive(hole * 40) for n in range(40)})
    began = time.process_time()
    scanned(scanner, data)
    assert time.process_time() - began < 20


def test_a_member_of_any_claimed_size(scanner: SecretScanner) -> None:
    data = bytearray(zipped({"a": b"token " + TOKEN + b"\n"}, zipfile.ZIP_STORED))
    data[18:22] = b"\xfe\xff\xff\xff"
    hits, notes = scanned(scanner, bytes(data))
    assert [hit.secret for hit in hits] == [TOKEN]
    assert notes == ["the zip archive ends inside a member"]
    huge = newc({"a": b"x"}).replace(
        b"00000001" + b"00000000" * 4 + b"00000002", b"FFFFFFFF" + b"00000000" * 4 + b"00000002"
    )
    assert scanned(scanner, huge)[1] == ["the archive ends inside a member"]


PROGRAM = """
import resource, sys, zlib
from imgscan.detect.secrets.scanner import load_scanner

scanner = load_scanner(trufflehog3=False, backend="re2", keep_compiled=False)

def stream(megabytes):
    packer = zlib.compressobj(1, wbits=31)
    chunk = bytes(range(256)) * 4096
    for _ in range(megabytes):
        yield packer.compress(chunk)
    yield packer.flush()

def read_from(pieces):
    rest = b""
    def read(size):
        nonlocal rest
        while not rest:
            rest = next(pieces, None)
            if rest is None:
                rest = b""
                return b""
        data, rest = rest[:size], rest[size:]
        return data
    return read

scanner.scan(read_from(stream(int(sys.argv[1]))), path="a/x.gz", size=None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_kb(megabytes: int) -> int:
    """What searching a compressed stream took at most."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(megabytes)],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        check=True,
        timeout=300,
    )
    return int(done.stdout)


def test_memory_does_not_grow_with_the_size() -> None:
    assert peak_kb(60) - peak_kb(4) < 12 * 1024


def test_many_small_members(scanner: SecretScanner) -> None:
    data = tarred({f"d/{number}": b"x" for number in range(3000)}, "w:gz")
    hits, notes = scanned(scanner, data)
    assert (hits, notes) == ([], [])
